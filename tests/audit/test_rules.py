from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.audit.rules import HIDDEN, MAX_TEXT, changes, mask, plain


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("张三", "张•••"),
        ("Li Na", "L•••"),
        ("13800001234", "•••34"),
        ("+8613800001234", "•••34"),
        ("11010519491231002X", "•••2X"),
        ("E12345", HIDDEN),
        ("", ""),
        (None, ""),
    ],
)
def test_masks(value, shown):
    assert mask(value) == shown


def test_only_what_differs_is_kept():
    assert changes({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == ({"b": 2}, {"b": 3, "c": 4})


def test_a_creation_and_a_removal_keep_their_side():
    assert changes(None, {"a": 1}) == (None, {"a": 1})
    assert changes({"a": 1}, None) == ({"a": 1}, None)
    assert changes(None, None) == (None, None)


def test_a_changed_phone_shows_even_with_the_same_mask():
    before, after = changes({"phone": "13800001234"}, {"phone": "13900001234"})
    assert before == after == {"phone": "•••34"}


def test_people_are_masked_wherever_they_stand():
    _, after = changes(
        None,
        {
            "visitors": [{"name": "张三", "document": "11010519491231002X", "age": 30}],
            "contact": {"name": "李四", "phone": "13800001234"},
            "name": {"zh-CN": "成人票"},
            "password": "x",
        },
    )
    assert after == {
        "visitors": [{"name": "张•••", "document": "•••2X", "age": 30}],
        "contact": {"name": "李•••", "phone": "•••34"},
        "name": {"zh-CN": "成人票"},
        "password": HIDDEN,
    }


def test_a_personal_field_that_is_an_object_is_hidden_whole():
    assert plain({"number": "1"}, "document") == HIDDEN


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Struct(msgspec.Struct):
    y: int


def test_values_become_json():
    assert plain(
        {
            "id": UUID(int=1),
            "at": datetime(2026, 10, 1, tzinfo=UTC),
            "day": date(2026, 10, 1),
            "colour": Colour.RED,
            "set": {"b", "a"},
            "point": Point(1),
            "struct": Struct(2),
            "bytes": b"abc",
            "long": "x" * (MAX_TEXT + 1),
        }
    ) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "at": "2026-10-01T00:00:00+00:00",
        "day": "2026-10-01",
        "colour": "red",
        "set": ["a", "b"],
        "point": {"x": 1},
        "struct": {"y": 2},
        "bytes": "(3 B)",
        "long": "x" * MAX_TEXT + "…",
    }


@given(st.text(min_size=1), st.sampled_from(["phone", "document", "holder_name", "email"]))
def test_a_personal_value_never_stands_in_the_log(value, field):
    _, after = changes(None, {field: value, "more": [{field: value}]})
    assert after[field] != value
    assert after["more"][0][field] != value
