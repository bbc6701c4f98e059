"""How long unpaid orders keep their places, by channel: read and set.

The times are part of the catalog's snapshot, so the order desk knows them without asking.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import delete, select

from shanmen.audit import service as audit
from shanmen.catalog.errors import ChannelUnreadable, HoldTimeTwice
from shanmen.catalog.models import ChannelHold
from shanmen.catalog.schemas import CHANNEL, checked
from shanmen.catalog.service import raise_version
from shanmen.db.session import Session

MINUTE = 60
LONGEST_MINUTES = 1440


class HoldTime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long an unpaid order of a channel keeps its places."""

    channel: Annotated[
        str, Meta(max_length=32, description="Empty: all channels that are not named.")
    ] = ""
    minutes: Annotated[int, Meta(ge=1, le=LONGEST_MINUTES, examples=[15])]


class HoldTimes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All hold times that the operator has set."""

    times: Annotated[list[HoldTime], Meta(max_length=100)]


async def hold_times(session: Session) -> list[HoldTime]:
    """What the operator has said, all other channels first."""
    rows = await session.execute(
        select(ChannelHold.channel, ChannelHold.seconds)
        .where(ChannelHold.tenant_id == session.tenant_id)
        .order_by(ChannelHold.channel)
    )
    return [HoldTime(channel=row.channel, minutes=row.seconds // MINUTE) for row in rows]


async def set_hold_times(session: Session, *, times: Sequence[HoldTime]) -> list[HoldTime]:
    """Replace all hold times; orders that are held keep the time that they were given.

    Raises:
        FormInvalid, ChannelUnreadable, HoldTimeTwice: naming the line.
    """
    times = [checked(time) for time in times]
    seen: set[str] = set()
    for index, time in enumerate(times):
        if time.channel and not CHANNEL.fullmatch(time.channel):
            raise ChannelUnreadable(field=f"times.{index}.channel", channel=time.channel)
        if time.channel in seen:
            raise HoldTimeTwice(field=f"times.{index}.channel", channel=time.channel)
        seen.add(time.channel)
    await raise_version(session)
    before = await hold_times(session)
    await session.execute(delete(ChannelHold).where(ChannelHold.tenant_id == session.tenant_id))
    session.add_all(
        ChannelHold(tenant_id=session.tenant_id, channel=t.channel, seconds=t.minutes * MINUTE)
        for t in times
    )
    await session.flush()
    await audit.record(
        session,
        action="catalog.hold_times_changed",
        entity="hold_times",
        entity_id=session.tenant_id,
        before=_audited(before),
        after=_audited(times),
    )
    return await hold_times(session)


def _audited(times: Sequence[HoldTime]) -> dict[str, int]:
    return {f"minutes_{time.channel or 'others'}": time.minutes for time in times}
