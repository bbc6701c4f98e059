"""What an operator may say of a ticket type, and what is named when it is wrong."""

from datetime import date

import pytest
from msgspec import structs

from shanmen.catalog import errors
from shanmen.catalog.schemas import (
    LocalText,
    PriceSpec,
    RefundStepSpec,
    TicketTypeSpec,
    checked,
    price_problems,
    refund_problems,
    ticket_type_problems,
)
from shanmen.web.forms import FormInvalid

GOOD = TicketTypeSpec(name=LocalText(zh="成人票", en="Adult"))


def problems(**changes: object) -> list[tuple[str, str | None]]:
    spec = structs.replace(GOOD, **changes)
    return [(e.code, e.field) for e in ticket_type_problems(spec, zones=[0, 1])]


def test_a_plain_ticket_type_is_in_order():
    assert problems() == []


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"name": LocalText(en="Adult")}, "catalog.name_missing", "name.zh-CN"),
        ({"name": LocalText(zh="  ")}, "catalog.name_missing", "name.zh-CN"),
        ({"min_age": 60, "max_age": 18}, "catalog.ages_reversed", "max_age"),
        ({"min_per_order": 5, "max_per_order": 4}, "catalog.quantities_reversed", "max_per_order"),
        (
            {"second_factor": True, "documents": "none"},
            "catalog.second_factor_needs_document",
            "second_factor",
        ),
        ({"zones": []}, "catalog.zone_missing", "zones"),
        ({"zones": [0, 7]}, "catalog.zone_unknown", "zones"),
        ({"channels": ["Web!"]}, "catalog.channel_unreadable", "channels"),
    ],
)
def test_what_is_wrong_is_named(changes, code, field):
    assert problems(**changes) == [(code, field)]


def test_everything_wrong_is_found_at_once():
    found = problems(name=LocalText(), min_age=9, max_age=1, zones=[])
    assert [field for _, field in found] == ["name.zh-CN", "max_age", "zones"]


def test_bounds_are_checked_whoever_made_the_spec():
    with pytest.raises(FormInvalid) as refused:
        checked(structs.replace(GOOD, party_size=0))
    assert refused.value.field == "party_size"
    with pytest.raises(FormInvalid) as refused:
        checked(structs.replace(GOOD, refund=[RefundStepSpec(hours_before=0, fee_percent=101)]))
    assert refused.value.field == "refund.0.fee_percent"


def step(hours: float, fee: int) -> RefundStepSpec:
    return RefundStepSpec(hours_before=hours, fee_percent=fee)


@pytest.mark.parametrize(
    ("steps", "kind", "field"),
    [
        ([step(24, 0), step(24, 10)], errors.RefundStepTwice, "refund.1.hours_before"),
        ([step(24, 20), step(0, 10)], errors.RefundFeeFalls, "refund.1.fee_percent"),
        ([step(0, 10), step(24, 20)], errors.RefundFeeFalls, "refund.0.fee_percent"),
        ([step(24, 0), step(0, 100)], errors.RefundFeeTooHigh, "refund.1.fee_percent"),
    ],
)
def test_refund_steps_that_cannot_be_meant(steps, kind, field):
    [problem] = refund_problems(steps)
    assert (type(problem), problem.field) == (kind, field)


def test_refund_steps_in_any_order_are_fine():
    assert refund_problems([step(0, 30), step(72, 0), step(24, 10)]) == []


def test_a_price_table_names_the_row_and_what_is_wrong_with_it():
    table = [
        PriceSpec(amount_fen=100),
        PriceSpec(amount_fen=200, date_from=date(2026, 5, 2), date_until=date(2026, 5, 1)),
        PriceSpec(amount_fen=300, weekdays=0),
        PriceSpec(amount_fen=400),
    ]
    assert [(p.code, p.field) for p in price_problems(table)] == [
        ("catalog.season_reversed", "prices.1.date_until"),
        ("catalog.weekday_missing", "prices.2.weekdays"),
        ("catalog.price_twice", "prices.3.priority"),
    ]
    assert price_problems(table)[-1].params == {"row": 1}
