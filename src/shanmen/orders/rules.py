"""The life of an order: its states, their transitions, its lines and what a refund pays.

Pure decisions; times are instants.
"""

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from shanmen.catalog.rules import RefundRule, TicketTypeInfo, refund_fee
from shanmen.orders.errors import NameInvalid, TransitionRefused
from shanmen.tickets.zones import ZoneWindow, days_of

MAX_NAME = 60
EXTENDABLE_MINUTES = 5
"""A hold can be extended when so much of it is left, or less."""


class State(StrEnum):
    """Where an order is. `paid` and `rescheduled` are passed through in one transaction."""

    HELD = "held"
    PAID = "paid"
    ISSUED = "issued"
    PARTLY_USED = "partly_used"
    USED = "used"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    RESCHEDULED = "rescheduled"
    REFUNDING = "refunding"
    REFUNDED = "refunded"


NEW = ""
"""What a new order comes from."""

TRANSITIONS: dict[str, frozenset[State]] = {
    NEW: frozenset({State.HELD}),
    # A hold can be extended.
    State.HELD: frozenset({State.HELD, State.PAID, State.EXPIRED, State.CANCELLED}),
    # A payment that arrives late is honoured where places are left, else it goes back.
    State.EXPIRED: frozenset({State.PAID}),
    State.CANCELLED: frozenset({State.PAID}),
    State.PAID: frozenset({State.ISSUED, State.REFUNDING}),
    State.ISSUED: frozenset(
        {State.PARTLY_USED, State.USED, State.RESCHEDULED, State.REFUNDING, State.REFUNDED}
    ),
    State.RESCHEDULED: frozenset({State.ISSUED}),
    # A barrier that did not turn gives an entry back.
    State.PARTLY_USED: frozenset({State.ISSUED, State.USED, State.REFUNDING, State.PARTLY_USED}),
    State.USED: frozenset({State.PARTLY_USED, State.ISSUED}),
    # A part of the tickets was given back: the rest stays as it was.
    State.REFUNDING: frozenset({State.REFUNDED, State.ISSUED, State.PARTLY_USED, State.USED}),
    State.REFUNDED: frozenset(),
}


def check(now: str, then: State) -> None:
    """Raise TransitionRefused unless an order may go from `now` to `then`."""
    if then not in TRANSITIONS[now]:
        raise TransitionRefused(state=now, wanted=then.value)


class Line(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One ticket of an order, as it was sold. Kept as JSON in the order.

    What most tickets have alike is not written: a fifth of what an order takes on the disk.
    """

    ticket_id: UUID
    ticket_type_id: UUID
    draws: list[tuple[UUID, int]]
    """A slot for each pool and the places taken there, in the order of the type's draws.

    The first is the visit.
    """
    price_fen: int
    zones: int
    visit_day: date
    valid_from: datetime
    valid_until: datetime
    party_size: int = 1
    entries: int = 1
    flags: int = 0
    refunded: bool = False
    refund: RefundRule = RefundRule()
    windows: list[ZoneWindow] = []
    """The zones that it opens at a time of their own: in the slots of a bundle's further pools."""

    @property
    def slot_id(self) -> UUID:
        """The slot of the visit."""
        return self.draws[0][0]

    @property
    def slot_ids(self) -> list[UUID]:
        """All its slots, the visit's first."""
        return [slot_id for slot_id, _ in self.draws]

    @property
    def visit_starts(self) -> datetime:
        """The start of the visit: what refund deadlines count from."""
        return self.valid_from

    @property
    def opens_until(self) -> datetime:
        """When it opens nothing any more: a zone's own time may be after the visit."""
        if not self.windows:
            return self.valid_until
        later = timedelta(days=days_of(self.valid_from, self.valid_until) - 1)
        return max(self.valid_until, *(window.ends + later for window in self.windows))


_decode_lines = msgspec.json.Decoder(list[Line]).decode


def lines_from(text: str) -> list[Line]:
    """Lines as the order's column keeps them, read as text: the driver need not read it before."""
    return _decode_lines(text)


@dataclass(frozen=True, slots=True)
class RefundQuote:
    """What giving back some tickets pays, in fen."""

    ticket_ids: tuple[UUID, ...]
    price_fen: int
    fee_fen: int
    fee_percent: int

    @property
    def amount_fen(self) -> int:
        """What the buyer gets back."""
        return self.price_fen - self.fee_fen


def quote_refund(lines: list[Line], *, now: datetime) -> RefundQuote | None:
    """The refund for these unused lines at `now`; None when one of them cannot be given back."""
    price = fee = percent = 0
    for line in lines:
        step = line.refund.step_at(now=now, visit_starts=line.visit_starts)
        if step is None or line.refunded:
            return None
        price += line.price_fen
        fee += refund_fee(line.price_fen, step.fee_percent)
        percent = max(percent, step.fee_percent)
    return RefundQuote(tuple(line.ticket_id for line in lines), price, fee, percent)


def age_problem(kind: TicketTypeInfo, age: int | None) -> str | None:
    """Why a person of this age may not have this ticket: too_young, too_old or None.

    An unknown age passes: a passport does not tell it, and the gate sees the person.
    """
    if age is None:
        return None
    if kind.min_age is not None and age < kind.min_age:
        return "too_young"
    if kind.max_age is not None and age > kind.max_age:
        return "too_old"
    return None


def used_state(*, entered: int, total: int) -> State:
    """The state of an issued order by how many of its persons have entered."""
    if entered == 0:
        return State.ISSUED
    return State.USED if entered >= total else State.PARTLY_USED


def clean_name(name: str, *, path: str) -> str:
    """A name as it is stored and searched: NFKC, single spaces; raises NameInvalid."""
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name)
    if len(name) <= MAX_NAME and name.isalpha():
        # Most names by far: letters or characters alone, nothing to put right and nothing hidden.
        return name
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME or not any(c.isalpha() for c in name):
        raise NameInvalid(field=path)
    if any(unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs"} for c in name):
        raise NameInvalid(field=path)
    return name
