"""What the agent knows besides tickets and scans.

That is the place, its own state, and how far it has come in the server's stream of changes. All of
it is in the store, so that a restart continues.

Methods that change something belong into a transaction of the caller's.
"""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from shanmen.admission.protocol import Instant, Setup, ZoneState, encode
from shanmen.edge.place import Place
from shanmen.edge.secrets import Secrets
from shanmen.edge.store import Store

T = TypeVar("T")

_KEY = "memory"
_SETUP = "setup"

_ROWS = 1
"""How much of `TicketRow` this program keeps; one more with each field that gates go by."""


class _Kept(Struct, frozen=True, kw_only=True):
    """The small things, as they are on the disk."""

    mark: str = ""
    rows: int = 0
    """`_ROWS` of the program that kept the tickets: an older one dropped what it did not know."""
    setup_digest: str = ""
    epoch: int = 0
    loading: bool = False
    """A fresh load has begun and is not through: what was known before it is still there."""
    skew_ms: int = 0
    synced_at: Instant | None = None
    emergency: bool = False
    emergency_ended: Instant = 0
    revoked: bool = False
    blocked_before: list[bytes] = []
    """While a fresh load is under way: blocked documents as tickets from before it are marked."""
    lanes: dict[UUID, bool] = {}
    """Lanes that were opened or closed here, against what the server's setup says."""
    zone_states: list[ZoneState] = []
    zone_day: str = ""
    """The local date that `zone_states` are of."""
    zone_net: int = 0
    """`Journal.net` of that day, as far as `zone_states` count it."""


class Memory:
    """The agent's own state."""

    def __init__(
        self, store: Store, secrets: Secrets, *, place_of: Callable[..., Place] = Place
    ) -> None:
        self._store = store
        self._place_of = place_of
        self.secrets = secrets
        kept, setup = store.meta(_KEY), store.meta(_SETUP)
        self._kept = msgspec.msgpack.decode(kept, type=_Kept) if kept else _Kept()
        self.place = self._place(msgspec.msgpack.decode(setup, type=Setup)) if setup else None

    @property
    def emergency(self) -> bool:
        """Whether all lanes stand open."""
        return self._kept.emergency

    @property
    def emergency_ended(self) -> Instant:
        """When the last one ended; 0 where there was none."""
        return self._kept.emergency_ended

    @property
    def revoked(self) -> bool:
        """Whether the server has taken this gate's rights away."""
        return self._kept.revoked

    @property
    def mark(self) -> str:
        """How far changes are known; empty for not at all, or less than this program goes by."""
        return self._kept.mark if self._kept.rows == _ROWS else ""

    @property
    def setup_digest(self) -> str:
        """Digest of the setup that is held; empty where it has to come again, with its key."""
        return self._kept.setup_digest if self.secrets.document_key else ""

    @property
    def skew_ms(self) -> int:
        """How far the clock was ahead when that was last known."""
        return self._kept.skew_ms

    @property
    def synced_at(self) -> Instant | None:
        """When changes last came."""
        return self._kept.synced_at

    @property
    def epoch(self) -> int:
        """Counts fresh loads: tickets of an older one are forgotten when it is through."""
        return self._kept.epoch

    @property
    def loading(self) -> bool:
        """Whether a fresh load is under way."""
        return self._kept.loading

    def lane_open(self, lane_id: UUID) -> bool:
        """Whether a lane admits anybody."""
        lane = self.place.lanes.get(lane_id) if self.place else None
        said = lane.open if lane else False
        return self._kept.lanes.get(lane_id, said)

    def set_lane(self, lane_id: UUID, *, is_open: bool) -> None:
        """Open or close a lane here."""
        self._keep(lanes={**self._kept.lanes, lane_id: is_open})

    def set_emergency(self, *, on: bool, at: Instant) -> None:
        """Open all lanes, or end that."""
        ended = at if self.emergency and not on else self.emergency_ended
        self._keep(emergency=on, emergency_ended=ended)

    def take_setup(self, setup: Setup, digest: str, *, fresh: bool = False) -> None:
        """Take over what the server says of the place; the document key stays off the disk.

        Where all tickets come `fresh`, it may be because of a new key: those that have not come
        yet are marked with the one before, and so are the blocked documents that they may name.
        """
        known = self.place.lanes if self.place else {}
        # A lane that the server has opened or closed since is as the server says.
        lanes = {
            lane.id: self._kept.lanes[lane.id]
            for lane in setup.lanes
            if lane.id in self._kept.lanes and lane.id in known and known[lane.id].open == lane.open
        }
        self.secrets.keep(setup.document_key)
        kept = structs.replace(setup, document_key=b"")
        self._store.set_meta(_SETUP, encode(kept))
        before = self.place.blocked if fresh and self.place else self._kept.blocked_before
        self._keep(setup_digest=digest, lanes=lanes, blocked_before=sorted(before))
        self.place = self._place(kept)

    def take_zones(self, states: list[ZoneState], *, day: str, net: int) -> None:
        """Take over how full zones are; `net` is who entered here that they surely count."""
        kept = self._kept
        if (states, day, net) == (kept.zone_states, kept.zone_day, kept.zone_net):
            return
        self._keep(zone_states=states, zone_day=day, zone_net=net)
        if self.place is not None:
            self.place = self._place(self.place.setup)

    def room(self, *, day: str, net: int) -> int | None:
        """How many more the gate's zone takes by this entrance; None is without limit.

        `net` is `Journal.net` of today. It is this entrance's share of what
        was free at the last contact; on a day that nobody has told of, its share of an empty zone.
        """
        place, kept = self.place, self._kept
        state = place.zone_states.get(place.setup.zone) if place else None
        if place is None or state is None or state.share is None:
            return None
        if kept.zone_day == day:
            return max(0, state.share - (net - kept.zone_net))
        ways_in = sum(each.zone == place.setup.zone for each in place.setup.entrances)
        return max(0, (state.max_inside or 0) // max(1, ways_in) - net)

    def begin_load(self) -> None:
        """A fresh load begins."""
        self._keep(epoch=self._kept.epoch + 1, loading=True)

    def take_mark(self, mark: str, *, more: bool, at: Instant, skew_ms: int) -> None:
        """A page of changes is in the store whole."""
        loading = self._kept.loading and more
        synced_at = self._kept.synced_at if more else at
        self._keep(mark=mark, rows=_ROWS, loading=loading, synced_at=synced_at, skew_ms=skew_ms)

    def settle(self) -> None:
        """A fresh load is through: what only tickets before it were marked with is forgotten."""
        self.secrets.settle()
        if self._kept.blocked_before:
            self._keep(blocked_before=[])
            if self.place is not None:
                self.place = self._place(self.place.setup)

    def revoke(self) -> None:
        """Forget every key; nothing is admitted any more."""
        self.secrets.wipe()
        self._keep(revoked=True, mark="", setup_digest="", blocked_before=[])
        if self.place is not None:
            setup = structs.replace(
                self.place.setup, signing_keys={}, day_keys={}, document_key=b"", blocked=[]
            )
            self._store.set_meta(_SETUP, encode(setup))
            self.place = self._place(setup)

    def _place(self, setup: Setup) -> Place:
        place = self._place_of(setup, self._kept.zone_states)
        place.blocked |= frozenset(self._kept.blocked_before)
        return place

    def _keep(self, **changes: object) -> None:
        changed = structs.replace(self._kept, **changes)
        self._store.set_meta(_KEY, encode(changed))
        self._kept = changed
