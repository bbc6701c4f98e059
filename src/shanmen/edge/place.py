"""Where the gate stands: what the server told of the place, ready for decisions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from uuid import UUID

from nacl.signing import VerifyKey

from shanmen.admission.protocol import Instant, LaneInfo, Setup, TypeInfo, ZoneState
from shanmen.admission.rules import GateState, Policy
from shanmen.kit import clock
from shanmen.kit.days import DayKind, plain_kind
from shanmen.tickets import rotating
from shanmen.tickets.rotating import RotatingVerdict
from shanmen.tickets.token import TicketBody


def instant_of(moment: datetime) -> Instant:
    """Milliseconds since 1970 of an aware instant."""
    return round(moment.timestamp() * 1000)


def moment_of(instant: Instant) -> datetime:
    """The aware instant, in UTC, of milliseconds since 1970."""
    return datetime.fromtimestamp(instant / 1000, UTC)


class Place:
    """One setup and the zones' states; a new one of these is made whenever either changes."""

    def __init__(self, setup: Setup, zone_states: Sequence[ZoneState] = ()) -> None:
        self.setup = setup
        self.zone_states = {state.number: state for state in zone_states}
        self.lanes: Mapping[UUID, LaneInfo] = {lane.id: lane for lane in setup.lanes}
        self.types: Mapping[int, TypeInfo] = {each.number: each for each in setup.types}
        self.blocked = frozenset(setup.blocked)

    @cached_property
    def keys(self) -> Mapping[int, VerifyKey]:
        """Keys that tickets are signed with."""
        signing = self.setup.signing_keys.items()
        return {number: VerifyKey(key) for number, key in signing}

    @cached_property
    def policy(self) -> Policy:
        """What the site asks of its gates."""
        rules = self.setup.rules
        return Policy(
            grace_before=timedelta(minutes=rules.grace_before_minutes),
            grace_after=timedelta(minutes=rules.grace_after_minutes),
            repeat_after=timedelta(seconds=rules.repeat_seconds),
            anti_passback=rules.anti_passback,
        )

    def day(self, moment: datetime) -> str:
        """The site's date at a moment."""
        return clock.local(moment, self.setup.timezone).date().isoformat()

    def entrance_name(self, number: int | None) -> Mapping[str, str]:
        """The name of an entrance; empty where it is not known."""
        return self._entrances.get(number or 0, {})

    def check_tail(self, body: TicketBody, tail: str | None, *, now: datetime) -> RotatingVerdict:
        """Judge the part of a code that changes, with the keys of days that are held here."""
        return rotating.check(
            tail,
            ticket_id=body.ticket_id,
            generation=body.generation,
            now=now,
            timezone=self.setup.timezone,
            day_key_of=self._day_key,
        )

    def state(
        self, *, now: datetime, direction: str, is_open: bool, room: int | None = None
    ) -> GateState:
        """The gate as decisions see it; `room` is how many more its zone takes."""
        return GateState(
            now=now,
            timezone=self.setup.timezone,
            site=self.setup.site.number,
            zone=self.setup.zone,
            entrance=self.setup.entrance,
            direction=direction,
            open=is_open,
            policy=self.policy,
            room=room,
            kind_of=self.day_kind,
            site_names=self._sites,
            zone_names=self._zones,
            entrance_names=self._entrances,
        )

    def day_kind(self, day: date) -> DayKind:
        """The kind of a day, as the server told; else what its weekday says."""
        return self.setup.day_kinds.get(day.isoformat()) or plain_kind(day)

    def _day_key(self, day: date) -> bytes | None:
        return self.setup.day_keys.get(day.isoformat())

    @cached_property
    def _sites(self) -> Mapping[int | UUID, Mapping[str, str]]:
        return {each.number: each.name for each in self.setup.sites}

    @cached_property
    def _zones(self) -> Mapping[int, Mapping[str, str]]:
        return {each.number: each.name for each in self.setup.zones}

    @cached_property
    def _entrances(self) -> Mapping[int | UUID, Mapping[str, str]]:
        return {each.number: each.name for each in self.setup.entrances}
