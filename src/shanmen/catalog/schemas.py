"""What an operator says when defining something to sell, and the rules it must keep.

Shapes and bounds of single fields stand in the types, which the API, the forms and the services
all check; what holds between fields is in the functions that return a list of coded errors, so
that a form can show all of them at once.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from shanmen.catalog import errors
from shanmen.catalog.admission_hours import (
    MOST_WINDOWS,
    DayKindName,
    HoursSpec,
    Weekdays,
    hours_problems,
)
from shanmen.catalog.rules import TicketTypeInfo
from shanmen.kit.days import EVERY_WEEKDAY
from shanmen.kit.errors import DomainError
from shanmen.web.forms import FormInvalid, describe_validation

S = TypeVar("S", bound=msgspec.Struct)

AUDIENCES = ("adult", "child", "senior", "student", "family", "any")
DOCUMENTS = ("each", "one", "none")
MAX_ZONE = 31
FULL_FEE = 100
ENTRIES = "Entries for each person into each of the zones; 0 is without limit."
CHANNEL = re.compile(r"[a-z][a-z0-9_-]{0,31}")

Audience = Literal["adult", "child", "senior", "student", "family", "any"]
Age = Annotated[int, Meta(ge=0, le=130)]
Priority = Annotated[int, Meta(ge=-1000, le=1000)]


class LocalText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text in Chinese and, if it has one, in English."""

    zh: Annotated[str, Meta(max_length=2000, examples=["成人票"])] = msgspec.field(
        name="zh-CN", default=""
    )
    en: Annotated[str, Meta(max_length=2000, examples=["Adult"])] = ""

    def names(self) -> dict[str, str]:
        """As the columns keep it; a language without text is left out."""
        both = {"zh-CN": self.zh.strip(), "en": self.en.strip()}
        return {locale: text for locale, text in both.items() if text}


class RefundStepSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Until `hours_before` the start of the visit, `fee_percent` of the price is kept.

    A negative number of hours reaches past the start of the visit.
    """

    hours_before: Annotated[float, Meta(ge=-720, le=8760, examples=[24])]
    fee_percent: Annotated[int, Meta(ge=0, le=FULL_FEE, examples=[10])] = 0


class RescheduleSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often, and until when before the visit, a ticket may be moved to another slot."""

    times: Annotated[int, Meta(ge=0, le=20)] = 0
    hours_before: Annotated[float, Meta(ge=-720, le=8760)] = 0.0


Count = Annotated[int, Meta(ge=0, le=10_000, description="0 is without limit.")]


class NoShowSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who did not come so often may not book for a while.

    A no-show is a ticket that was issued, was not given back, and that nobody entered with. They
    are counted from the day on which this is switched on. Where ticket types of a group say
    different things, the strictest holds for the group.
    """

    enabled: bool = False
    count: Annotated[int, Meta(ge=1, le=100, description="So many no-shows …")] = 3
    within_days: Annotated[int, Meta(ge=1, le=730, description="… within so many days …")] = 365
    ban_days: Annotated[
        int, Meta(ge=1, le=730, description="… and the document cannot book for so many days.")
    ] = 90


class LimitsSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one document, phone or order may have; 0 is without limit.

    Months and years are those of the calendar, and of the visit.
    """

    per_document_day: Count = 1
    per_document_slot: Count = 1
    per_document_month: Count = 0
    per_document_year: Count = 0
    per_phone_day: Count = 0
    per_phone_slot: Count = 0
    per_phone_month: Count = 0
    per_phone_year: Count = 0
    per_order: Count = 0
    group: Annotated[
        str,
        Meta(
            max_length=32,
            description="Ticket types of the same group count together; empty: this type alone.",
        ),
    ] = ""
    no_shows: NoShowSpec = NoShowSpec()


class TicketTypeSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a ticket type except its prices and the pools it draws on."""

    name: LocalText
    description: LocalText = LocalText()
    audience: Audience = "adult"
    party_size: Annotated[
        int, Meta(ge=1, le=99, description="How many persons one ticket admits.")
    ] = 1
    documents: Annotated[
        Literal["each", "one", "none"],
        Meta(description="Who is named: each person of the party, one for all, or nobody."),
    ] = "each"
    min_age: Age | None = None
    max_age: Age | None = None
    entries: Annotated[int, Meta(ge=0, le=255, description=ENTRIES)] = 1
    valid_days: Annotated[int, Meta(ge=1, le=366)] = 1
    zones: Annotated[
        list[Annotated[int, Meta(ge=0, le=MAX_ZONE)]],
        Meta(description="Numbers of the zones that the ticket opens.", examples=[[0]]),
    ] = msgspec.field(default_factory=lambda: [0])
    rotating: Annotated[
        bool, Meta(description="The code on the phone changes every 30 seconds.")
    ] = False
    second_factor: Annotated[bool, Meta(description="The gate also asks for the ID document.")] = (
        False
    )
    min_per_order: Annotated[int, Meta(ge=1, le=1000)] = 1
    max_per_order: Annotated[int, Meta(ge=1, le=1000)] = 10
    days_ahead: Annotated[
        int, Meta(ge=0, le=730, description="On sale so many days ahead of the visit.")
    ] = 30
    sale_closes_minutes: Annotated[
        int,
        Meta(ge=0, le=10_080, description="Sold until so many minutes before the slot ends."),
    ] = 0
    refund: Annotated[
        list[RefundStepSpec], Meta(max_length=12, description="No steps: never refunded.")
    ] = msgspec.field(default_factory=list)
    reschedule: RescheduleSpec = RescheduleSpec()
    limits: LimitsSpec = LimitsSpec()
    channels: Annotated[
        list[str],
        Meta(max_length=50, description="Channels that sell it; empty is all.", examples=[["web"]]),
    ] = msgspec.field(default_factory=list)
    admission_hours: Annotated[
        list[HoursSpec],
        Meta(max_length=MOST_WINDOWS, description="When it opens a gate; empty is at any time."),
    ] = msgspec.field(default_factory=list)
    on_sale: bool = True
    position: Annotated[int, Meta(ge=-10_000, le=10_000)] = 0


class PriceSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The price of the days that match; of those that match the highest priority wins."""

    amount_fen: Annotated[
        int, Meta(ge=0, le=100_000_000, description="In fen, 1/100 yuan.", examples=[12000])
    ]
    name: Annotated[str, Meta(max_length=80, examples=["黄金周"])] = ""
    date_from: date | None = None
    date_until: date | None = None
    weekdays: Weekdays = EVERY_WEEKDAY
    day_kind: Literal["", "workday", "weekend", "holiday"] = ""
    priority: Priority = 0


class SpecialDaySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day whose kind the operator sets against the public calendar."""

    day: date
    day_kind: DayKindName
    name: LocalText = LocalText()


def checked(spec: S) -> S:
    """The same spec with every field's bounds checked, whoever made it.

    Raises:
        FormInvalid: naming the field that is out of its bounds.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(spec), type(spec))
    except msgspec.ValidationError as error:
        raise FormInvalid([describe_validation(str(error))]) from error


def refuse_first(problems: Iterable[DomainError]) -> None:
    """Raise the first problem, if there is one."""
    for problem in problems:
        raise problem


def ticket_type_problems(spec: TicketTypeSpec, *, zones: Iterable[int]) -> list[DomainError]:
    """Everything wrong between the fields of a ticket type; `zones` are the site's numbers."""
    found: list[DomainError] = []
    if not spec.name.zh.strip():
        found.append(errors.NameMissing(field="name.zh-CN"))
    if spec.min_age is not None and spec.max_age is not None and spec.min_age > spec.max_age:
        found.append(
            errors.AgesReversed(field="max_age", min_age=spec.min_age, max_age=spec.max_age)
        )
    if spec.min_per_order > spec.max_per_order:
        found.append(
            errors.QuantitiesReversed(
                field="max_per_order", least=spec.min_per_order, most=spec.max_per_order
            )
        )
    if spec.second_factor and spec.documents == "none":
        found.append(errors.SecondFactorNeedsDocument(field="second_factor"))
    if not spec.zones:
        found.append(errors.ZoneMissing(field="zones"))
    unknown = sorted(set(spec.zones) - set(zones))
    if unknown:
        found.append(errors.ZoneUnknown(field="zones", number=unknown[0]))
    for channel in spec.channels:
        if not CHANNEL.fullmatch(channel):
            found.append(errors.ChannelUnreadable(field="channels", channel=channel))
            break
    return found + hours_problems(spec.admission_hours) + refund_problems(spec.refund)


def refund_problems(steps: Sequence[RefundStepSpec]) -> list[DomainError]:
    """Everything wrong with a table of refund steps.

    Fees never fall towards the visit: a fee that falls would reward waiting, and is nearly always
    a slip of the keyboard.
    """
    found: list[DomainError] = []
    ordered = sorted(range(len(steps)), key=lambda index: -steps[index].hours_before)
    for position, index in enumerate(ordered):
        step = steps[index]
        if step.fee_percent == FULL_FEE:
            found.append(errors.RefundFeeTooHigh(field=f"refund.{index}.fee_percent"))
        if position == 0:
            continue
        earlier = steps[ordered[position - 1]]
        if step.hours_before == earlier.hours_before:
            found.append(
                errors.RefundStepTwice(
                    field=f"refund.{index}.hours_before", hours=f"{step.hours_before:g}"
                )
            )
        elif step.fee_percent < earlier.fee_percent:
            found.append(
                errors.RefundFeeFalls(
                    field=f"refund.{index}.fee_percent",
                    hours=f"{step.hours_before:g}",
                    fee=step.fee_percent,
                    earlier_fee=earlier.fee_percent,
                )
            )
    return found


def season_problems(
    *, date_from: date | None, date_until: date | None, weekdays: int, prefix: str = ""
) -> list[DomainError]:
    """What is wrong with the condition that prices and schedules share."""
    found: list[DomainError] = []
    if date_from is not None and date_until is not None and date_until < date_from:
        found.append(
            errors.SeasonReversed(
                field=f"{prefix}date_until",
                date_from=date_from.isoformat(),
                date_until=date_until.isoformat(),
            )
        )
    if not weekdays:
        found.append(errors.WeekdayMissing(field=f"{prefix}weekdays"))
    return found


def price_problems(prices: Sequence[PriceSpec]) -> list[DomainError]:
    """Everything wrong with a price table."""
    found: list[DomainError] = []
    seen: dict[tuple[object, ...], int] = {}
    for index, price in enumerate(prices):
        found += season_problems(
            date_from=price.date_from,
            date_until=price.date_until,
            weekdays=price.weekdays,
            prefix=f"prices.{index}.",
        )
        condition = (
            price.date_from,
            price.date_until,
            price.weekdays,
            price.day_kind,
            price.priority,
        )
        if condition in seen:
            found.append(
                errors.PriceTwice(field=f"prices.{index}.priority", row=seen[condition] + 1)
            )
        seen.setdefault(condition, index)
    return found


class TypedText(msgspec.Struct, frozen=True, kw_only=True):
    """A text typed in both languages; a form's field cannot be called ``zh-CN``."""

    zh: str = ""
    en: str = ""

    def text(self) -> LocalText:
        """The text as the services take it."""
        return LocalText(zh=self.zh, en=self.en)


class DrawOut(msgspec.Struct, frozen=True, kw_only=True):
    """Places that each ticket takes from a pool."""

    pool_id: UUID
    quantity: int


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket type, as programs see it."""

    id: UUID
    number: Annotated[int, Meta(description="Its number within the site, carried by tickets.")]
    name: Annotated[dict[str, str], Meta(examples=[{"zh-CN": "成人票", "en": "Adult"}])]
    description: dict[str, str]
    audience: str
    party_size: Annotated[int, Meta(description="How many persons one ticket admits.")]
    documents: Annotated[str, Meta(description="Who is named: `each`, `one` or `none`.")]
    min_age: int | None
    max_age: int | None
    entries: Annotated[
        int, Meta(description="Entries for each person into each zone; 0 is without limit.")
    ]
    valid_days: int
    zones: Annotated[list[int], Meta(description="Numbers of the zones that it opens.")]
    rotating: bool
    second_factor: bool
    min_per_order: int
    max_per_order: int
    days_ahead: int
    sale_closes_minutes: int
    refund: list[RefundStepSpec]
    reschedule: RescheduleSpec
    limits: LimitsSpec
    channels: list[str]
    admission_hours: Annotated[
        list[HoursSpec], Meta(description="When it opens a gate; empty is at any time.")
    ]
    on_sale: bool
    position: int
    draws: Annotated[list[DrawOut], Meta(description="The first pool sets the visit's slot.")]
    prices: list[PriceSpec]

    @classmethod
    def of(cls, info: TicketTypeInfo) -> "Product":
        """The wire shape of a ticket type."""
        value = msgspec.to_builtins(info) | {
            "zones": list(info.zone_numbers),
            "refund": msgspec.to_builtins(info.refund.steps),
            "channels": sorted(info.channels),
            "admission_hours": [
                msgspec.to_builtins(HoursSpec.of(each)) for each in info.admission_hours
            ],
        }
        return msgspec.convert(value, cls)

    def spec(self) -> TicketTypeSpec:
        """What an operator would say to make the same."""
        value = msgspec.to_builtins(self)
        known = {field.encode_name for field in msgspec.structs.fields(TicketTypeSpec)}
        return msgspec.convert({k: v for k, v in value.items() if k in known}, TicketTypeSpec)


class SpecialDayOut(msgspec.Struct, frozen=True, kw_only=True):
    """A day whose kind the operator set."""

    day: date
    day_kind: DayKindName
    name: dict[str, str]
