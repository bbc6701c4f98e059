"""What the stock refuses."""

from shanmen.kit.errors import DomainError


class SoldOut(DomainError):
    """Fewer places are left than were asked for; params: left, slot."""

    code = "inventory.sold_out"
    status = 409


class SlotClosed(DomainError):
    """The operator closed the slot, or it is over; params: slot."""

    code = "inventory.slot_closed"
    status = 409


class SlotNotFound(DomainError):
    """There is no such slot for this ticket type."""

    code = "inventory.slot_not_found"
    status = 404


class CapacityBelowSold(DomainError):
    """The new capacity would be below what is held and sold; params: taken, capacity."""

    code = "inventory.capacity_below_sold"
    status = 409


class BadSchedule(DomainError):
    """The schedule's slots overlap, or end before they start; params: reason."""

    code = "inventory.bad_schedule"
    status = 422
