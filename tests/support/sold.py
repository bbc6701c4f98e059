"""A ticket as a test of gates holds it in hand."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shanmen.admission.protocol import TicketCount, TicketRow
from shanmen.tickets import rotating
from shanmen.tickets.token import TicketBody


@dataclass
class Ticket:
    """A sold ticket: what the visitor shows, and the row that gates get."""

    body: TicketBody
    text: str
    row: TicketRow
    day_key: Callable[[datetime], bytes]

    @property
    def id(self) -> bytes:
        return self.row.id

    def code(self, moment: datetime) -> str:
        """What the visitor's phone shows at a moment."""
        key = rotating.ticket_key(
            self.day_key(moment), ticket_id=self.body.ticket_id, generation=self.body.generation
        )
        return self.text + rotating.tail(key, rotating.step_at(moment))


def count_of(row: TicketRow) -> TicketCount:
    """What gates are told of a ticket that was only used."""
    return TicketCount(*(getattr(row, name) for name in TicketCount.__struct_fields__))
