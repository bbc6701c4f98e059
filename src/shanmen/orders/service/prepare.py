"""Everything about a request that needs no lock: checks, documents, encryption.

It runs before the transaction takes its locks, so that a hot slot is not kept waiting for
cryptography. What depends on stock, limits or the slot itself is decided in `place`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from shanmen.catalog.rules import Catalog, TicketTypeInfo
from shanmen.kit import clock, documents, ids, phones
from shanmen.kit.crypto import Keyring
from shanmen.kit.errors import DomainError
from shanmen.orders.errors import (
    NotOnSale,
    WrongAge,
    WrongNumberOfTickets,
    WrongNumberOfVisitors,
)
from shanmen.orders.rules import age_problem, clean_name
from shanmen.orders.schemas import PlaceOrder, TicketInput, VisitorInput, VisitorView
from shanmen.tickets.gate import document_index


@dataclass(frozen=True, slots=True)
class PreparedHolder:
    """A visitor, checked and encrypted."""

    name: bytes
    name_index: int
    document_kind: str
    document: bytes
    document_index: int
    age: int | None
    shown: VisitorView
    """Masked."""


@dataclass(frozen=True, slots=True)
class PreparedTicket:
    """A ticket whose type and visitors are in order."""

    id: UUID
    kind: TicketTypeInfo
    wish: TicketInput
    holders: tuple[PreparedHolder, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that only stock, limits and slots can still refuse."""

    request: PlaceOrder
    id: UUID
    number: str
    phone: bytes
    phone_index: int
    phone_shown: str
    """Masked."""
    tickets: tuple[PreparedTicket, ...]

    @property
    def slot_ids(self) -> set[UUID]:
        """All slots that the order needs places in."""
        return {slot for t in self.tickets for slot in (t.wish.slot_id, *t.wish.other_slot_ids)}

    def with_tickets(self, tickets: tuple[PreparedTicket, ...]) -> "Prepared":
        """The same request with other tickets."""
        return replace(self, tickets=tickets)


def prepare(request: PlaceOrder, *, catalog: Catalog, keyring: Keyring) -> Prepared:
    """Check and encrypt one request; raises the error that names what is wrong."""
    today = clock.today(request.timezone)
    order = request.order
    try:
        phone = phones.normalise(order.phone)
    except DomainError as error:
        error.field = "phone"
        raise
    kinds = _kinds(request, catalog)
    tickets = tuple(
        PreparedTicket(
            ids.new_id(),
            kind,
            wish,
            _holders(wish.visitors, kind, f"tickets.{index}", today=today, keyring=keyring),
        )
        for index, (kind, wish) in enumerate(zip(kinds, order.tickets, strict=True))
    )
    return Prepared(
        request=request,
        id=ids.new_id(),
        number=ids.order_number(today),
        phone=keyring.encrypt(phone, field="orders.phone"),
        phone_index=keyring.blind_index(phone, purpose="phone"),
        phone_shown=phones.mask(phone),
        tickets=tickets,
    )


def _kinds(request: PlaceOrder, catalog: Catalog) -> list[TicketTypeInfo]:
    kinds: list[TicketTypeInfo] = []
    for index, wish in enumerate(request.order.tickets):
        kind = catalog.types.get(wish.ticket_type_id)
        if kind is None or kind.site_id != request.site_id or not kind.sold_by(request.channel):
            raise NotOnSale(field=f"tickets.{index}.ticket_type_id")
        kinds.append(kind)
    counts = Counter(kind.id for kind in kinds)
    for index, kind in enumerate(kinds):
        most = min(kind.max_per_order, kind.limits.per_order or kind.max_per_order)
        if not kind.min_per_order <= counts[kind.id] <= most:
            raise WrongNumberOfTickets(
                field=f"tickets.{index}.ticket_type_id", least=kind.min_per_order, most=most
            )
    return kinds


def _holders(
    visitors: Iterable[VisitorInput],
    kind: TicketTypeInfo,
    path: str,
    *,
    today: date,
    keyring: Keyring,
) -> tuple[PreparedHolder, ...]:
    visitors = list(visitors)
    if len(visitors) != kind.holders_per_ticket:
        raise WrongNumberOfVisitors(
            field=f"{path}.visitors", needed=kind.holders_per_ticket, given=len(visitors)
        )
    return tuple(
        prepare_holder(v, kind, f"{path}.visitors.{i}", today=today, keyring=keyring)
        for i, v in enumerate(visitors)
    )


def prepare_holder(
    visitor: VisitorInput, kind: TicketTypeInfo, path: str, *, today: date, keyring: Keyring
) -> PreparedHolder:
    """Check one person's name, document and age, and encrypt them."""
    name = clean_name(visitor.name, path=f"{path}.name")
    try:
        document = documents.check(visitor.document_kind, visitor.document_number)
    except DomainError as error:
        error.field = f"{path}.document_number"
        raise
    age = documents.age_on(document.birth_date, today) if document.birth_date else None
    # A family ticket names people of all ages: its bounds are of the one who must fit it.
    if kind.party_size == 1 and age_problem(kind, age):
        raise WrongAge(
            field=f"{path}.document_number", age=age, min_age=kind.min_age, max_age=kind.max_age
        )
    return PreparedHolder(
        name=keyring.encrypt(name, field="holder.name"),
        name_index=keyring.blind_index(name, purpose="name"),
        document_kind=document.kind.value,
        document=keyring.encrypt(document.number, field="holder.document"),
        document_index=document_index(keyring, document.kind.value, document.number),
        age=age,
        shown=VisitorView(
            documents.mask_name(name), document.kind.value, documents.mask(document.number)
        ),
    )
