import datetime as dt
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.kit.errors import BadInput
from shanmen.web.forms import FieldProblem, Form, FormInvalid, messages_at, nest, summary


class Person(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=2, max_length=5)]
    document: str


class Wish(msgspec.Struct):
    visitors: list[Person]
    day: dt.date
    kind: Literal["adult", "child"] = "adult"
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    discount: float | None = None
    agreed: bool = False
    extras: list[str] = []


GOOD = {
    "visitors": [{"name": "王小明", "document": "110101199003077571"}],
    "day": "2026-10-01",
}


def problems(data) -> dict[str, str]:
    with pytest.raises(FormInvalid) as caught:
        Form.blank(data).into(Wish)
    return {problem.field: problem.reason for problem in caught.value.problems}


def test_names_nest_by_hyphens():
    pairs = [
        ("visitors-0-name", "王"),
        ("visitors-1-name", "李"),
        ("extras[]", "bus"),
        ("extras[]", "guide"),
        ("agreed", "false"),
        ("agreed", "true"),
    ]
    assert nest(pairs) == {
        "visitors": [{"name": "王"}, {"name": "李"}],
        "extras": ["bus", "guide"],
        "agreed": "true",
    }


def test_indexes_with_gaps_make_a_short_list():
    assert nest([("a-999999999-x", "2"), ("a-7-x", "1")]) == {"a": [{"x": "1"}, {"x": "2"}]}


@given(st.lists(st.tuples(st.text("ab0-[]", max_size=12), st.text(max_size=3)), max_size=30))
def test_no_name_breaks_the_reading(pairs):
    assert isinstance(nest(pairs), dict)


def test_too_many_fields_are_refused():
    with pytest.raises(FormInvalid):
        nest((f"a{n}", "") for n in range(2001))


def test_text_is_converted_and_what_is_empty_is_not_given():
    wish = Form.blank({**GOOD, "count": " 3 ", "discount": "", "agreed": "true", "kind": ""}).into(
        Wish
    )
    assert wish == Wish(
        visitors=[Person("王小明", "110101199003077571")],
        day=dt.date(2026, 10, 1),
        count=3,
        agreed=True,
    )


def test_every_problem_is_named_at_once():
    assert problems({"visitors": [{"name": "王"}, {}], "count": "12", "day": "soon"}) == {
        "visitors.0.name": "too_short",
        "visitors.0.document": "required",
        "visitors.1.name": "required",
        "visitors.1.document": "required",
        "day": "not_date",
        "count": "too_large",
    }


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("count", "x", "not_integer"),
        ("count", "0", "too_small"),
        ("discount", "x", "not_number"),
        ("kind", "senior", "not_choice"),
        ("day", "2026-02-30", "not_date"),
        ("visitors", "x", "not_list"),
    ],
)
def test_reasons(field, value, reason):
    assert problems({**GOOD, field: value}) == {field: reason}


def test_an_error_finds_its_field():
    form = Form.blank(GOOD)
    marked = form.with_error(BadInput(field="visitors.0.document"))
    assert messages_at(marked, "visitors.0.document", "en")
    assert not form.errors, "the form that was sent stays as it was"
    marked.add("", "Sold out")
    assert [name for name, _, _ in summary(marked, "en")] == ["visitors.0.document", ""]


def test_a_problem_is_said_in_the_readers_language():
    problem = FieldProblem("name", "too_long", {"limit": 5})
    assert problem.text("en") == "At most 5 characters fit"
    assert problem.text("zh-CN") == "最多 5 个字符"


def test_values_for_inputs():
    form = Form.blank({"a": [{"b": 3}], "yes": True, "no": False, "at": dt.time(8, 5), "x": None})
    assert form.value("a.0.b") == "3"
    assert form.value("a.1.b", "none") == "none"
    assert form.value("yes") == "true"
    assert form.value("no") == ""
    assert form.value("at") == "08:05"
    assert form.value("x") == ""
