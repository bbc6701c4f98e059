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


class CapacityBelowReserved(DomainError):
    """The new capacity has no room for what channels were promised; params: taken, reserved."""

    code = "inventory.capacity_below_reserved"
    status = 409


class AllotmentTwice(DomainError):
    """A channel can have one share of a pool; params: channel."""

    code = "inventory.allotment_twice"
    status = 422


class AllotmentAmount(DomainError):
    """A share is either a number of places or a percentage."""

    code = "inventory.allotment_amount"
    status = 422


class AllotmentChannel(DomainError):
    """A channel's code has other characters than a-z, 0-9, - and _; params: channel."""

    code = "inventory.allotment_channel"
    status = 422


class AllotmentsAboveWhole(DomainError):
    """All shares in percent are more than a hundred together; params: total."""

    code = "inventory.allotments_above_whole"
    status = 422


class AllotmentsAboveCapacity(DomainError):
    """All shares together are more than a slot has; params: total, capacity, starts."""

    code = "inventory.allotments_above_capacity"
    status = 422


class AllotmentAboveLeft(DomainError):
    """Too much of a slot is taken already for this share; params: most, starts."""

    code = "inventory.allotment_above_left"
    status = 409


class BadSchedule(DomainError, abstract=True):
    """A schedule's slots cannot be meant like this."""

    status = 422


class SlotTimesReversed(BadSchedule):
    """A slot ends before it starts; params: starts, ends."""

    code = "inventory.slot_times_reversed"


class SlotsOverlap(BadSchedule):
    """A slot starts before the one before it has ended; params: starts, ends."""

    code = "inventory.slots_overlap"


class ScheduleNotFound(DomainError):
    """There is no such schedule."""

    code = "inventory.schedule_not_found"
    status = 404


class PoolNotFound(DomainError):
    """There is no such pool at this site."""

    code = "inventory.pool_not_found"
    status = 404


class PoolInUse(DomainError):
    """Ticket types draw on the pool, or its slots have been sold."""

    code = "inventory.pool_in_use"
    status = 409


class PoolNameMissing(DomainError):
    """A pool needs a name in Chinese."""

    code = "inventory.pool_name_missing"
    status = 422


class ScheduleNameMissing(DomainError):
    """A schedule needs a name."""

    code = "inventory.schedule_name_missing"
    status = 422


class CapWithoutDraw(DomainError):
    """A ticket type can only have a cap in pools that it draws on."""

    code = "inventory.cap_without_draw"
    status = 422


class SlotIsOver(DomainError):
    """The slot lies in the past and is no longer changed."""

    code = "inventory.slot_is_over"
    status = 409


class NothingToChange(DomainError):
    """The request names nothing to change."""

    code = "inventory.nothing_to_change"
    status = 422


class ChangedMeanwhile(DomainError):
    """Somebody else saved the same thing after this page was opened."""

    code = "inventory.changed_meanwhile"
    status = 409


class TooManyDays(DomainError):
    """The span has more days than can be done at once; params: most."""

    code = "inventory.too_many_days"
    status = 422


class CapTooSmall(DomainError):
    """The cap leaves no place for even one ticket; params: cap, quantity."""

    code = "inventory.cap_too_small"
    status = 422


class CapacityOutOfRange(DomainError):
    """A capacity is a number from 0; params: most."""

    code = "inventory.capacity_out_of_range"
    status = 422


class DaysReversed(DomainError):
    """The last day is before the first."""

    code = "inventory.days_reversed"
    status = 422
