"""What an operator types about a ticket type, and its way to and from the services' shapes."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec

from shanmen.catalog.admission_hours import MIDNIGHT, DayKindName, HoursSpec, MaybeTime
from shanmen.catalog.rules import TicketTypeInfo
from shanmen.catalog.schemas import (
    Audience,
    LimitsSpec,
    PriceSpec,
    Product,
    RefundStepSpec,
    RescheduleSpec,
    TicketTypeSpec,
    TypedText,
)
from shanmen.kit import money
from shanmen.kit.days import EVERY_WEEKDAY
from shanmen.kit.hours import Window
from shanmen.web.forms import Form
from shanmen.web.rows import BLANK_ROWS, with_blank_rows


class RefundRow(msgspec.Struct, kw_only=True):
    """A line of the refund table."""

    hours_before: float
    fee_percent: int = 0


class HoursRow(msgspec.Struct, kw_only=True):
    """A line of the hours of admission: what is left empty asks for nothing."""

    starts: MaybeTime = ""
    ends: MaybeTime = ""
    weekdays: list[int] = msgspec.field(default_factory=list)
    day_kinds: list[DayKindName] = msgspec.field(default_factory=list)

    def spec(self) -> HoursSpec:
        """As the services take it."""
        return HoursSpec(
            starts=self.starts or MIDNIGHT,
            ends=self.ends or MIDNIGHT,
            weekdays=sum(1 << day for day in set(self.weekdays)) or EVERY_WEEKDAY,
            day_kinds=self.day_kinds,
        )

    @classmethod
    def of(cls, window: Window) -> "HoursRow":
        """The line that says a window."""
        spec, every = HoursSpec.of(window), window.weekdays == EVERY_WEEKDAY
        return cls(
            starts="" if spec.starts == MIDNIGHT else spec.starts,
            ends="" if spec.ends == MIDNIGHT else spec.ends,
            weekdays=[] if every else [day for day in range(7) if window.weekdays >> day & 1],
            day_kinds=spec.day_kinds,
        )


class TicketTypeForm(msgspec.Struct, kw_only=True):
    """The page of a ticket type."""

    name: TypedText = TypedText()
    description: TypedText = TypedText()
    audience: Audience = "adult"
    party_size: int = 1
    documents: Literal["each", "one", "none"] = "each"
    min_age: int | None = None
    max_age: int | None = None
    entries: int = 1
    valid_days: int = 1
    zones: list[int] = msgspec.field(default_factory=list)
    rotating: bool = False
    second_factor: bool = False
    min_per_order: int = 1
    max_per_order: int = 10
    days_ahead: int = 30
    sale_closes_minutes: int = 0
    refund: list[RefundRow] = msgspec.field(default_factory=list)
    reschedule: RescheduleSpec = RescheduleSpec()
    limits: LimitsSpec = LimitsSpec()
    channels: str = ""
    admission_hours: list[HoursRow] = msgspec.field(default_factory=list)
    on_sale: bool = False
    position: int = 0
    seen: str = ""

    def spec(self) -> TicketTypeSpec:
        """As the services take it."""
        value = msgspec.to_builtins(self)
        codes = self.channels.replace("，", ",").replace("、", ",").split(",")
        channels = [code.strip().lower() for code in codes if code.strip()]
        return TicketTypeSpec(
            name=self.name.text(),
            description=self.description.text(),
            refund=[
                RefundStepSpec(hours_before=row.hours_before, fee_percent=row.fee_percent)
                for row in self.refund
            ],
            reschedule=self.reschedule,
            limits=self.limits,
            channels=channels,
            admission_hours=[row.spec() for row in self.admission_hours],
            **{name: value[name] for name in PLAIN},
        )


PLAIN = (
    "audience",
    "party_size",
    "documents",
    "min_age",
    "max_age",
    "entries",
    "valid_days",
    "zones",
    "rotating",
    "second_factor",
    "min_per_order",
    "max_per_order",
    "days_ahead",
    "sale_closes_minutes",
    "on_sale",
    "position",
)
"""Fields that read the same on the page and in the services."""


def blank_ticket_type(zones: Sequence[int]) -> Form:
    """The form of a new ticket type, with a refund rule that most sites have."""
    fresh = TicketTypeForm(
        zones=list(zones[:1]),
        on_sale=True,
        reschedule=RescheduleSpec(times=1),
        refund=[RefundRow(hours_before=24), RefundRow(hours_before=0, fee_percent=20)],
    )
    return with_blank_tables(Form.blank(msgspec.to_builtins(fresh)))


def filled_ticket_type(info: TicketTypeInfo, seen: str) -> Form:
    """The form of a ticket type as it is."""
    spec = msgspec.to_builtins(Product.of(info).spec())
    spec |= {
        "name": typed(info.name),
        "description": typed(info.description),
        "channels": ", ".join(sorted(info.channels)),
        "refund": [
            {"hours_before": f"{s.hours_before:g}", "fee_percent": s.fee_percent}
            for s in info.refund.steps
        ],
        "admission_hours": [
            msgspec.to_builtins(HoursRow.of(window)) for window in info.admission_hours
        ],
        "seen": seen,
    }
    return with_blank_tables(Form.blank(spec))


def with_blank_tables(form: Form, *, refund: int = BLANK_ROWS, hours: int = 1) -> Form:
    """The form of a ticket type with empty lines at the end of its tables."""
    return with_blank_rows(
        with_blank_rows(form, "refund", more=refund), "admission_hours", more=hours
    )


def typed(names: Mapping[str, str]) -> dict[str, str]:
    """A stored text as a form begins with it."""
    return {"zh": names.get("zh-CN", ""), "en": names.get("en", "")}


class PriceRow(msgspec.Struct, kw_only=True):
    """A line of the price table; the amount is typed in yuan."""

    amount: str
    name: str = ""
    date_from: date | None = None
    date_until: date | None = None
    weekdays: list[int] = msgspec.field(default_factory=list)
    day_kind: Literal["", "workday", "weekend", "holiday"] = ""
    priority: int = 0


class PricesForm(msgspec.Struct, kw_only=True):
    """The price table."""

    prices: list[PriceRow] = msgspec.field(default_factory=list)
    seen: str = ""

    def specs(self) -> list[PriceSpec]:
        """As the services take it; raises AmountInvalid naming the line."""
        return [
            PriceSpec(
                amount_fen=money.parse(row.amount, field=f"prices.{index}.amount"),
                name=row.name,
                date_from=row.date_from,
                date_until=row.date_until,
                weekdays=sum(1 << day for day in set(row.weekdays)),
                day_kind=row.day_kind,
                priority=row.priority,
            )
            for index, row in enumerate(self.prices)
        ]


def filled_prices(info: TicketTypeInfo, seen: str) -> Form:
    """The form of a price table as it is."""
    rows = [
        {
            "amount": f"{rule.amount_fen / 100:.2f}".removesuffix(".00"),
            "name": rule.name,
            "date_from": rule.date_from,
            "date_until": rule.date_until,
            "weekdays": [day for day in range(7) if rule.weekdays >> day & 1],
            "day_kind": rule.day_kind,
            "priority": rule.priority,
        }
        for rule in info.prices
    ]
    return with_blank_prices(Form.blank({"prices": rows, "seen": seen}))


def with_blank_prices(form: Form, *, more: int = 2) -> Form:
    """The form with empty lines that speak of every day of the week."""
    return with_blank_rows(form, "prices", more=more, blank={"weekdays": list(range(7))})
