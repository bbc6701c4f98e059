"""Array literals say to PostgreSQL what the values are."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from shanmen.db.pipeline import array, columns
from shanmen.orders.rules import State

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
INSTANTS = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
KINDS: list[tuple[str, SearchStrategy[Any]]] = [
    ("text", TEXTS),
    ("bigint", st.integers(-(2**63), 2**63 - 1)),
    ("bytea", st.binary()),
    ("uuid", st.uuids()),
    ("timestamptz", INSTANTS),
    ("date", st.dates(min_value=date(1, 1, 1))),
    ("boolean", st.booleans()),
]


def _the_same(values: SearchStrategy[Any]) -> SearchStrategy[list[Any]]:
    return st.builds(lambda one, many: [one] * many, values, st.integers(1, 5))


@pytest.mark.parametrize(("kind", "values"), KINDS, ids=[kind for kind, _ in KINDS])
def test_values_come_back_as_they_were(db_url: str, kind: str, values: SearchStrategy[Any]) -> None:
    with psycopg.connect(db_url, autocommit=True) as connection:
        # How long PostgreSQL takes is not what is looked at.
        @settings(deadline=None)
        @given(st.lists(st.none() | values) | _the_same(st.none() | values))
        def check(given_values: list[Any]) -> None:
            row = connection.execute(f"SELECT %s::{kind}[]", (array(given_values),)).fetchone()
            assert row is not None
            assert row[0] == given_values

        check()


def test_an_enum_of_strings_is_a_string() -> None:
    assert array([State.HELD, None]) == '{"held",NULL}'


def test_no_rows_are_empty_columns() -> None:
    assert columns([], 2) == ["{}", "{}"]
    assert columns([(1, UUID(int=1))], 2) == ["{1}", "{" + "0" * 31 + "1}"]


def test_a_type_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="complex"):
        array([1j])
