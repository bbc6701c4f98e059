"""How many times at most one ticket can enter, for the gates as they are now, and why.

The server counts exactly, and so does each gate for itself. What a gate does not know is what the
others admitted since it last heard from the server. So a ticket can be used up once at every gate
that is cut off and may admit it, and once more at all the others together, who share the server's
count. Among the others is always whoever asks the server without a gate: at an entrance that has
none, and with the scanner page or the API beside a gate, for example while that is out of order. A
gate that is cut off does not hear of them, nor they of it.

A new generation (a visit that was moved, a ticket that was given back) changes nothing of that:
each gate counts a ticket under its id, whatever the generation, and a gate that has not heard of
the change still admits by the old one, at most as often as it would have anyway.

A ticket for several zones has its entries in each of them, so the figure is the sum over its zones.

Three things are not in the figure, because a person or a broken thing stands behind each: what a
supervisor lets in with a reason, what an emergency opens, and a power cut in the second between a
passage and its note on a lane with a sensor, which gives those who passed their entry back.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from shanmen.admission.protocol import EntranceInfo, GateInfo, Setup, TypeInfo
from shanmen.tickets.zones import persons_in_all


class Why(StrEnum):
    """What makes the bound; texts: ``admission.bound.why.<code>``."""

    NOWHERE = "nowhere"
    """No entrance opens for it."""
    NO_LIMIT = "no_limit"
    """The ticket itself admits as often as one likes."""
    SERVER_ALONE = "server_alone"
    """No gate decides alone: the server counts every entry."""
    ONE_GATE = "one_gate"
    """A single gate admits it, and counts for itself."""
    PAGE = "page"
    """Beside a gate somebody may scan with the server's own page, which counts for itself."""
    HOME = "home"
    """Only some entrances admit it, so only their gates count."""
    CONNECTED = "connected"
    """Gates that are connected share one count."""
    CUT_OFF = "cut_off"
    """Each gate that is cut off counts for itself."""


class Bound(Struct, frozen=True, kw_only=True):
    """The bound of one ticket type. Persons are those admitted with one ticket, over its life."""

    type_number: int
    allowed: int | None
    """Persons that the ticket is for, over all its entries and zones; None is without limit."""
    now: int | None
    """At most so many while the gates stay connected, or cut off, as they are now."""
    at_most: int | None
    """At most so many whichever gates are cut off."""
    gates: int
    """Gates that admit it."""
    cut_off: int
    """Of these, how many are cut off now."""
    asks: bool
    """Whether somebody can be let in with it by asking the server, without a gate."""
    why: tuple[Why, ...]


def bounds(setup: Setup) -> list[Bound]:
    """The bound of every ticket type of a site."""
    return [bound(kind, entrances=setup.entrances, gates=setup.gates) for kind in setup.types]


def bound(kind: TypeInfo, *, entrances: Sequence[EntranceInfo], gates: Sequence[GateInfo]) -> Bound:
    """The bound of one ticket type.

    Args:
        kind: with its party, entries, zones, and the only entrances that admit it, if any.
        entrances: all of the site; `asks` is whether somebody can be let in there by asking the
            server, without a gate or beside it.
        gates: every gate that is enrolled and not revoked, as it is now.
    """
    zone_of = {
        entrance.number: entrance.zone
        for entrance in entrances
        if kind.zones >> entrance.zone & 1
        and (kind.entrances is None or entrance.number in kind.entrances)
    }
    own = [gate for gate in gates if gate.entrance in zone_of]
    asking = {each.number for each in entrances if each.asks and each.number in zone_of}
    guarded = {gate.entrance for gate in own}
    asks = bool(asking)
    cut_off = sum(not gate.online for gate in own)
    # Entries count in each zone by itself. There, whoever is connected counts once together, as
    # long as there is anybody.
    now = at_most = 0
    for zone in set(zone_of.values()):
        here = [gate.online for gate in own if zone_of[gate.entrance] == zone]
        asks_here = any(zone_of[number] == zone for number in asking)
        now += here.count(False) + (asks_here or True in here)
        at_most += len(here) + asks_here
    each = kind.party_size * kind.entries if kind.entries else None
    return Bound(
        type_number=kind.number,
        allowed=persons_in_all(party_size=kind.party_size, entries=kind.entries, zones=kind.zones),
        now=None if each is None and now else (each or 0) * now,
        at_most=None if each is None and at_most else (each or 0) * at_most,
        gates=len(own),
        cut_off=cut_off,
        asks=asks,
        why=tuple(
            _why(
                kind,
                gates=len(own),
                cut_off=cut_off,
                elsewhere=bool(asking - guarded),
                beside=bool(asking & guarded),
            )
        ),
    )


def _why(kind: TypeInfo, *, gates: int, cut_off: int, elsewhere: bool, beside: bool) -> list[Why]:
    """Why; the server is asked at entrances without gates (`elsewhere`), or `beside` gates."""
    if not gates and not elsewhere:
        return [Why.NOWHERE]
    found = [] if kind.entries else [Why.NO_LIMIT]
    if not gates:
        return [*found, Why.SERVER_ALONE]
    if gates == 1 and not elsewhere:
        found.append(Why.ONE_GATE)
    elif cut_off < gates or elsewhere:
        found.append(Why.CONNECTED)
    if cut_off and (gates > 1 or elsewhere):
        found.append(Why.CUT_OFF)
    if beside and not elsewhere:
        found.append(Why.PAGE)
    if kind.entrances is not None:
        found.append(Why.HOME)
    return found
