"""What the console wants of gates: open, close, message, emergency, sync."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select

from shanmen.admission.errors import BadCommand, DeviceMissing, LaneElsewhere, MessageMissing
from shanmen.admission.models import GateCommand, GateDevice, Lane
from shanmen.admission.service.lanes import change_lane
from shanmen.audit import service as audit
from shanmen.db.session import Session
from shanmen.kit import clock, ids

KINDS = ("open", "close", "message", "emergency_on", "emergency_off", "sync")
TEXT_LENGTH = 120


async def send_command(
    session: Session, *, device_id: UUID, kind: str, lane_id: UUID | None = None, text: str = ""
) -> None:
    """Ask something of one gate; a lane that is opened or closed is so on the server too.

    Raises:
        DeviceMissing, BadCommand, LaneElsewhere, MessageMissing: naming the field.
    """
    row = await session.get(GateDevice, (session.tenant_id, device_id))
    if row is None or row.revoked_at is not None or row.public_key is None:
        raise DeviceMissing
    if kind not in KINDS or (kind in {"open", "close"} and lane_id is None):
        raise BadCommand(field="kind")
    text = text.strip()[:TEXT_LENGTH]
    if kind == "message" and not text:
        raise MessageMissing(field="text")
    if lane_id is not None:
        lane = await session.get(Lane, (session.tenant_id, lane_id))
        if lane is None or lane.entrance_id != row.entrance_id:
            raise LaneElsewhere(field="lane_id")
        if kind in {"open", "close"}:
            await change_lane(session, lane_id=lane_id, active=kind == "open")
    await _send(session, [device_id], kind=kind, lane_id=lane_id, text=text)


async def emergency(session: Session, *, site_id: UUID, on: bool) -> int:
    """Open all lanes of all gates of a site, or end that; returns how many gates are asked."""
    rows = await session.scalars(
        select(GateDevice.id).where(
            GateDevice.tenant_id == session.tenant_id,
            GateDevice.site_id == site_id,
            GateDevice.public_key.is_not(None),
            GateDevice.revoked_at.is_(None),
        )
    )
    found = list(rows)
    await _send(session, found, kind="emergency_on" if on else "emergency_off")
    return len(found)


async def _send(
    session: Session,
    devices: Iterable[UUID],
    *,
    kind: str,
    lane_id: UUID | None = None,
    text: str = "",
) -> None:
    for device_id in devices:
        row = GateCommand(
            tenant_id=session.tenant_id,
            id=ids.new_id(),
            device_id=device_id,
            kind=kind,
            lane_id=lane_id,
            text=text,
            created_at=clock.now(),
            created_by=session.actor.label,
        )
        session.add(row)
        await session.flush()
        await audit.record(
            session,
            action="admission.command_sent",
            entity="gate_device",
            entity_id=device_id,
            after={"kind": kind, "lane_id": lane_id, "text": text},
        )
