"""How a slot's places are divided among channels: pure arithmetic.

A channel's *share* reserves what it has not used of it yet. Everybody else sees the places that are
left less what is reserved for others; so no channel can take what another was promised. A share
that was released reserves nothing. Whether it is released is a matter of the moment alone.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

PERCENT = 100


class ShareKind(StrEnum):
    """What a channel's share means to the channel itself."""

    FIXED = "fixed"
    """So many places and no more."""
    MINIMUM = "minimum"
    """So many places for certain, and common stock besides."""


class Share(Protocol):
    """A channel's share of one slot, and what the channel has taken."""

    @property
    def kind(self) -> str:
        """See `ShareKind`."""

    @property
    def places(self) -> int:
        """How many places it has."""

    @property
    def releases_at(self) -> datetime | None:
        """From then on it is common stock; None is never."""

    @property
    def taken(self) -> int:
        """Places that the channel holds and has sold."""


def released(share: Share, now: datetime) -> bool:
    """True when the share has become common stock."""
    return share.releases_at is not None and now >= share.releases_at


def reserved(share: Share, now: datetime) -> int:
    """Places that only this channel may take."""
    return 0 if released(share, now) else max(share.places - share.taken, 0)


def left_for(channel: str, *, left: int, shares: Mapping[str, Share], now: datetime) -> int:
    """Places that a channel may still take in a slot in which `left` are left in all.

    It can be below zero where more is reserved than there is, which no use case brings about.
    """
    free = left - sum(reserved(share, now) for code, share in shares.items() if code != channel)
    own = shares.get(channel)
    if own is None or own.kind != ShareKind.FIXED or released(own, now):
        return free
    return min(free, own.places - own.taken)


def common_left(*, left: int, shares: Mapping[str, Share], now: datetime) -> int:
    """Places that are reserved for nobody."""
    return left - sum(reserved(share, now) for share in shares.values())


@dataclass(frozen=True, slots=True)
class ShareState:
    """A channel's share of a slot as a statement saw it."""

    kind: str
    places: int
    releases_at: datetime | None
    held: int = 0
    sold: int = 0

    @property
    def taken(self) -> int:
        """Places that the channel holds and has sold."""
        return self.held + self.sold


@dataclass(frozen=True, slots=True)
class SharePlan:
    """What a channel's share of a slot shall be."""

    channel: str
    kind: str
    places: int
    releases_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AllotmentRule:
    """A channel's share of every slot of a pool: in places, or in percent of the capacity."""

    channel: str
    kind: str
    places: int | None = None
    percent: int | None = None
    release_minutes: int | None = None

    def places_of(self, capacity: int) -> int:
        """The places of a slot of this capacity; a percentage is rounded down."""
        if self.places is not None:
            return self.places
        return capacity * (self.percent or 0) // PERCENT

    def plan(self, *, capacity: int, starts_at: datetime) -> SharePlan:
        """The share of one slot."""
        releases_at = None
        if self.release_minutes is not None:
            releases_at = starts_at - timedelta(minutes=self.release_minutes)
        return SharePlan(self.channel, self.kind, self.places_of(capacity), releases_at)


def claim(plan: SharePlan, *, taken: int, now: datetime) -> int:
    """Places that a share would reserve for a channel that has taken so many already."""
    if plan.releases_at is not None and now >= plan.releases_at:
        return 0
    return max(plan.places - taken, 0)


def claims(plans: Iterable[SharePlan], *, taken: Mapping[str, int], now: datetime) -> int:
    """Places that all of them would reserve."""
    return sum(claim(plan, taken=taken.get(plan.channel, 0), now=now) for plan in plans)


def overdrawn(
    plans: Collection[SharePlan], *, left: int, taken: Mapping[str, int], now: datetime
) -> tuple[int, int] | None:
    """The first share that cannot be kept with `left` places left: (index, the most it can be).

    None when all can be kept.
    """
    for index, plan in enumerate(plans):
        used = taken.get(plan.channel, 0)
        wanted = claim(plan, taken=used, now=now)
        if wanted > left:
            return index, used + max(left, 0)
        left -= wanted
    return None


def fitted(
    plans: Iterable[SharePlan], *, left: int, taken: Mapping[str, int], now: datetime
) -> list[SharePlan]:
    """The same shares, made smaller where so many places left do not suffice: the last ones first.

    What a channel has taken stays within its share, so a share never falls below that.
    """
    found = []
    for plan in plans:
        used = taken.get(plan.channel, 0)
        wanted = claim(plan, taken=used, now=now)
        possible = min(wanted, max(left, 0))
        left -= possible
        places = plan.places if possible == wanted else used + possible
        found.append(SharePlan(plan.channel, plan.kind, places, plan.releases_at))
    return found


@dataclass(frozen=True, slots=True)
class ChannelPart:
    """What a slot's places are to one channel; the channel of everybody else has no code."""

    channel: str
    kind: str
    places: int
    releases_at: datetime | None
    released: bool
    held: int
    sold: int
    reserved: int
    """Places that only this channel may take; of everybody else the common stock."""
    left: int
    """Places that it may still take."""


def parts(
    shares: Mapping[str, ShareState], *, held: int, sold: int, left: int, now: datetime
) -> list[ChannelPart]:
    """A slot's places by channel, in order of their codes, and everybody else at the end.

    What they hold, have sold and have reserved adds up to the capacity.
    """
    found = [
        ChannelPart(
            channel=code,
            kind=share.kind,
            places=share.places,
            releases_at=share.releases_at,
            released=released(share, now),
            held=share.held,
            sold=share.sold,
            reserved=reserved(share, now),
            left=max(left_for(code, left=left, shares=shares, now=now), 0),
        )
        for code, share in sorted(shares.items())
    ]
    common = max(common_left(left=left, shares=shares, now=now), 0)
    found.append(
        ChannelPart(
            channel="",
            kind="",
            places=0,
            releases_at=None,
            released=False,
            held=held - sum(share.held for share in shares.values()),
            sold=sold - sum(share.sold for share in shares.values()),
            reserved=common,
            left=common,
        )
    )
    return found
