"""What the order desk refuses."""

from shanmen.kit.errors import DomainError


class OrderNotFound(DomainError):
    """No such order, or the phone number is not the order's."""

    code = "orders.not_found"
    status = 404


class TransitionRefused(DomainError):
    """The order is in a state that does not allow this; params: state, wanted."""

    code = "orders.transition_refused"
    status = 409


class NotOnSale(DomainError):
    """This ticket is not sold by this channel, or not for this day; params: ticket_type."""

    code = "orders.not_on_sale"
    status = 409


class TooEarly(DomainError):
    """The day is not on sale yet; params: days_ahead."""

    code = "orders.too_early"
    status = 409


class TooLate(DomainError):
    """The slot is over, or its sale has closed."""

    code = "orders.too_late"
    status = 409


class OutsideHours(DomainError):
    """The ticket opens no gate in this slot; params: ticket_type and hours, in each language."""

    code = "orders.outside_hours"
    status = 422


class WrongNumberOfTickets(DomainError):
    """Too few or too many tickets of a type in an order; params: least, most."""

    code = "orders.wrong_number_of_tickets"
    status = 422


class WrongNumberOfVisitors(DomainError):
    """Each ticket needs its visitors named; params: needed, given."""

    code = "orders.wrong_number_of_visitors"
    status = 422


class NameInvalid(DomainError):
    """A visitor's name is missing or cannot be a name."""

    code = "orders.name_invalid"
    status = 422


class WrongAge(DomainError):
    """The visitor's age does not fit the ticket; params: min_age, max_age, age."""

    code = "orders.wrong_age"
    status = 422


class DocumentLimit(DomainError):
    """This document already has as many tickets as it may.

    Params: limit, per (slot, day, month or year), has, and the period's days: begins, ends.
    """

    code = "orders.document_limit"
    status = 409


class DuplicateDocument(DomainError):
    """The order names a document more often than it may have tickets; params: as DocumentLimit."""

    code = "orders.duplicate_document"
    status = 409


class PhoneLimit(DomainError):
    """This phone number already has as many tickets as it may; params: as DocumentLimit."""

    code = "orders.phone_limit"
    status = 409


class Restricted(DomainError):
    """The document may not book after visits that nobody came to; params: until, contact."""

    code = "orders.restricted"
    status = 409


class RestrictionNotFound(DomainError):
    """There is no such restriction, or it is over."""

    code = "orders.restriction_not_found"
    status = 404


class HoldExtended(DomainError):
    """The hold was extended before: once is all."""

    code = "orders.hold_extended"
    status = 409


class HoldLongEnough(DomainError):
    """A hold is extended only shortly before its end; params: minutes."""

    code = "orders.hold_long_enough"
    status = 409


class HoldLapsed(DomainError):
    """The places were held until a time that has passed."""

    code = "orders.hold_lapsed"
    status = 409


class NotRefundable(DomainError):
    """The ticket's rule does not allow giving it back now."""

    code = "orders.not_refundable"
    status = 409


class NotReschedulable(DomainError):
    """The ticket's rule does not allow moving it now."""

    code = "orders.not_reschedulable"
    status = 409


class AlreadyUsed(DomainError):
    """Somebody has entered with it already."""

    code = "orders.already_used"
    status = 409


class PriceHigher(DomainError):
    """The new day costs more than was paid; buy anew and give the old ticket back."""

    code = "orders.price_higher"
    status = 409


class NothingChosen(DomainError):
    """The buyer has chosen no ticket yet."""

    code = "orders.nothing_chosen"
    status = 422


class SlotNotChosen(DomainError):
    """The buyer has chosen tickets and no time for them."""

    code = "orders.slot_not_chosen"
    status = 422


class TooManyTickets(DomainError):
    """More tickets than one order may have; params: most."""

    code = "orders.too_many_tickets"
    status = 422


class FormSentBefore(DomainError):
    """The same form was sent before with other contents; sending it again makes a new order."""

    code = "orders.form_sent_before"
    status = 409


class RefundChanged(DomainError):
    """A deadline passed while the buyer was reading: less is paid back now; params: amount_fen."""

    code = "orders.refund_changed"
    status = 409


class NotPayable(DomainError):
    """Nothing is to be paid for this order; params: state."""

    code = "orders.not_payable"
    status = 409


class AmountMismatch(DomainError):
    """What was received is not what the order costs; params: amount_fen, due_fen."""

    code = "orders.amount_mismatch"
    status = 409
