"""An order that was placed just now, as `queries` would read it back, without reading it."""

from shanmen.kit.crypto import Keyring
from shanmen.orders.queries import order_secret
from shanmen.orders.rules import Line, State
from shanmen.orders.schemas import OrderEventView, OrderLineView, OrderView
from shanmen.orders.service.prepare import PreparedTicket
from shanmen.orders.service.write import Granted

HELD = State.HELD.value


def new_order_view(granted: Granted, keyring: Keyring) -> OrderView:
    """What `queries.order_by_id` says of an order in the moment in which it was placed."""
    prepared, placed = granted.prepared, granted.placed
    request = prepared.request
    return OrderView(
        id=placed.id,
        number=placed.number,
        site_id=request.site_id,
        channel=request.channel,
        status=HELD,
        phone=prepared.phone_shown,
        locale=request.order.locale,
        visit_day=granted.visit_day,
        amount_fen=placed.amount_fen,
        refunded_fen=0,
        persons=placed.persons,
        created_at=granted.at,
        hold_expires_at=placed.hold_expires_at,
        hold_extended=False,
        paid_at=None,
        tickets=[
            _line_view(ticket, line)
            for ticket, line in zip(prepared.tickets, granted.lines, strict=True)
        ],
        events=[OrderEventView(granted.at, "", HELD, request.placed_by, "")],
        secret=order_secret(keyring, placed.id),
    )


def _line_view(ticket: PreparedTicket, line: Line) -> OrderLineView:
    return OrderLineView(
        ticket_id=line.ticket_id,
        ticket_type_id=line.ticket_type_id,
        name=ticket.kind.name,
        price_fen=line.price_fen,
        persons=line.party_size,
        visit_day=line.visit_day,
        valid_from=line.valid_from,
        valid_until=line.valid_until,
        status=HELD,
        persons_entered=0,
        generation=0,
        visitors=[holder.shown for holder in ticket.holders],
    )
