"""Everything about a request that needs no lock: checks, documents, encryption.

It runs before the transaction takes its locks, so that a hot slot is not kept waiting for
cryptography. What depends on stock, limits or the slot itself is decided in `place`.
"""

from datetime import date
from uuid import UUID

from msgspec import Struct, structs

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

# Structs, because a frozen dataclass takes ten times as long to make, and every order makes seven.
# None can be part of a cycle, so the collector need not look at them.


class PreparedHolder(Struct, frozen=True, gc=False):
    """A visitor, checked and encrypted."""

    name: bytes
    name_index: int
    document_kind: str
    document: bytes
    document_index: int
    age: int | None
    shown: VisitorView
    """Masked."""


class PreparedTicket(Struct, frozen=True, gc=False):
    """A ticket whose type and visitors are in order."""

    id: UUID
    kind: TicketTypeInfo
    wish: TicketInput
    holders: list[PreparedHolder]


class Prepared(Struct, frozen=True, gc=False):
    """A request that only stock, limits and slots can still refuse."""

    request: PlaceOrder
    id: UUID
    number: str
    phone: bytes
    phone_index: int
    phone_shown: str
    """Masked."""
    tickets: list[PreparedTicket]

    def with_tickets(self, tickets: list[PreparedTicket]) -> "Prepared":
        """The same request with other tickets."""
        return structs.replace(self, tickets=tickets)


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
    tickets = [
        PreparedTicket(
            ids.new_id(), kind, wish, _holders(wish, kind, index, today=today, keyring=keyring)
        )
        for index, (kind, wish) in enumerate(zip(kinds, order.tickets, strict=True))
    ]
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
    counts: dict[int, int] = {}
    for index, wish in enumerate(request.order.tickets):
        kind = catalog.types.get(wish.ticket_type_id)
        if kind is None or kind.site_id != request.site_id or not kind.sold_by(request.channel):
            raise NotOnSale(field=f"tickets.{index}.ticket_type_id")
        kinds.append(kind)
        counts[kind.number] = counts.get(kind.number, 0) + 1
    for index, kind in enumerate(kinds):
        most = min(kind.max_per_order, kind.limits.per_order or kind.max_per_order)
        if not kind.min_per_order <= counts[kind.number] <= most:
            raise WrongNumberOfTickets(
                field=f"tickets.{index}.ticket_type_id", least=kind.min_per_order, most=most
            )
    return kinds


def _holders(
    wish: TicketInput, kind: TicketTypeInfo, index: int, *, today: date, keyring: Keyring
) -> list[PreparedHolder]:
    if len(wish.visitors) != kind.holders_per_ticket:
        raise WrongNumberOfVisitors(
            field=f"tickets.{index}.visitors",
            needed=kind.holders_per_ticket,
            given=len(wish.visitors),
        )
    holders: list[PreparedHolder] = []
    for visitor in wish.visitors:
        try:
            holders.append(prepare_holder(visitor, kind, today=today, keyring=keyring))
        except DomainError as error:
            error.field = f"tickets.{index}.visitors.{len(holders)}.{error.field}"
            raise
    return holders


def prepare_holder(
    visitor: VisitorInput, kind: TicketTypeInfo, *, today: date, keyring: Keyring
) -> PreparedHolder:
    """Check one person's name, document and age, and encrypt them.

    Raises:
        DomainError: with the visitor's field that is wrong.
    """
    name = clean_name(visitor.name, path="name")
    document = documents.check(
        visitor.document_kind, visitor.document_number, field="document_number"
    )
    age = documents.age_on(document.birth_date, today) if document.birth_date else None
    # A family ticket names people of all ages: its bounds are of the one who must fit it.
    if kind.party_size == 1 and age_problem(kind, age):
        raise WrongAge(field="document_number", age=age, min_age=kind.min_age, max_age=kind.max_age)
    number, document_kind = document.number, str(document.kind)
    return PreparedHolder(
        keyring.encrypt(name, field="holder.name"),
        keyring.blind_index(name, purpose="name"),
        document_kind,
        keyring.encrypt(number, field="holder.document"),
        document_index(keyring, document_kind, number),
        age,
        VisitorView(documents.mask_name(name), document_kind, documents.mask(number)),
    )
