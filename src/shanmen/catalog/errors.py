"""What the catalog refuses."""

from shanmen.kit.errors import DomainError


class TicketTypeNotFound(DomainError):
    """There is no such ticket type, or it belongs to another operator."""

    code = "catalog.ticket_type_not_found"
    status = 404


class CatalogChanged(DomainError):
    """Somebody else saved the same thing after this page was opened."""

    code = "catalog.changed_meanwhile"
    status = 409


class NameMissing(DomainError):
    """A ticket type needs a name in Chinese."""

    code = "catalog.name_missing"
    status = 422


class AgesReversed(DomainError):
    """The lowest age is above the highest; params: min_age, max_age."""

    code = "catalog.ages_reversed"
    status = 422


class QuantitiesReversed(DomainError):
    """The least number per order is above the most; params: least, most."""

    code = "catalog.quantities_reversed"
    status = 422


class SecondFactorNeedsDocument(DomainError):
    """The ID document cannot be asked for at the gate where nobody is named."""

    code = "catalog.second_factor_needs_document"
    status = 422


class RefundStepTwice(DomainError):
    """Two refund steps have the same deadline; params: hours."""

    code = "catalog.refund_step_twice"
    status = 422


class RefundFeeFalls(DomainError):
    """A later refund step costs less than an earlier one; params: hours, fee, earlier_fee."""

    code = "catalog.refund_fee_falls"
    status = 422


class RefundFeeTooHigh(DomainError):
    """A refund step keeps the whole price: leave the step out instead."""

    code = "catalog.refund_fee_too_high"
    status = 422


class ChannelUnreadable(DomainError):
    """A channel's code has other characters than a-z, 0-9, - and _; params: channel."""

    code = "catalog.channel_unreadable"
    status = 422


class ZoneMissing(DomainError):
    """A ticket must open at least one zone."""

    code = "catalog.zone_missing"
    status = 422


class ZoneUnknown(DomainError):
    """The site has no zone with this number; params: number."""

    code = "catalog.zone_unknown"
    status = 422


class TooManyTicketTypes(DomainError):
    """A site can have as many ticket types as their short number has values; params: most."""

    code = "catalog.too_many_ticket_types"
    status = 409


class SeasonReversed(DomainError):
    """A season ends before it begins; params: date_from, date_until."""

    code = "catalog.season_reversed"
    status = 422


class WeekdayMissing(DomainError):
    """A rule must speak of at least one day of the week."""

    code = "catalog.weekday_missing"
    status = 422


class PriceTwice(DomainError):
    """Two price rules speak of the same days with the same priority; params: row."""

    code = "catalog.price_twice"
    status = 422


class HoursTwice(DomainError):
    """Two lines of a ticket type's hours of admission say the same; params: row."""

    code = "catalog.hours_twice"
    status = 422


class SpecialDayNotFound(DomainError):
    """The operator has set no kind for this day; params: day."""

    code = "catalog.special_day_not_found"
    status = 404


class DaysReversed(DomainError):
    """The last day is before the first."""

    code = "catalog.days_reversed"
    status = 422


class TooManyDays(DomainError):
    """The span has more days than can be answered at once; params: most."""

    code = "catalog.too_many_days"
    status = 422


class DrawTwice(DomainError):
    """A ticket type draws on the same pool twice."""

    code = "catalog.draw_twice"
    status = 422


class HoldTimeTwice(DomainError):
    """Two lines say how long orders of the same channel are held; params: channel."""

    code = "catalog.hold_time_twice"
    status = 422
