"""Array literals say to PostgreSQL what the values are."""

import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from shanmen.db.pipeline import Statement, array, columns, gathered, together
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


def test_an_enum_of_strings_is_text(db_url: str) -> None:
    with psycopg.connect(db_url, autocommit=True) as connection:
        row = connection.execute("SELECT %s::text[]", (array([State.HELD, None]),)).fetchone()
        assert row is not None
        assert row[0] == ["held", None]


def test_numbers_become_what_the_statement_casts_them_to(db_url: str) -> None:
    with psycopg.connect(db_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT pg_typeof(n)::text, n FROM unnest(%s::smallint[]) AS n", (array([7]),)
        ).fetchone()
        assert row == ("smallint", 7)
        with pytest.raises(psycopg.errors.NumericValueOutOfRange):
            connection.execute("SELECT %s::smallint[]", (array([2**20]),))


def test_where_no_type_is_known_any_fits(db_url: str) -> None:
    with psycopg.connect(db_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT %s::uuid[], %s::date[]", (array([]), array([None, None]))
        ).fetchone()
        assert row == ([], [None, None])


def test_rows_become_columns(db_url: str) -> None:
    rows = [(1, UUID(int=1), "a"), (2, UUID(int=2), None)]
    with psycopg.connect(db_url, autocommit=True) as connection:
        for given in ([], rows):
            found = connection.execute(
                "SELECT * FROM unnest(%s::int[], %s::uuid[], %s::text[])", columns(given, 3)
            ).fetchall()
            assert found == given


def test_a_type_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="complex"):
        array([1j])
    with pytest.raises(TypeError):
        array([datetime(2026, 5, 1)])  # noqa: DTZ001


def test_statements_are_run_together(db_url: str) -> None:
    with psycopg.connect(db_url) as connection:
        connection.execute("CREATE TEMP TABLE one (n int); CREATE TEMP TABLE two (n int)")
        parts = [
            Statement(f"INSERT INTO {name} SELECT %s + n FROM unnest(%s::int[]) AS n", (more, ns))
            for name, more, ns in (("one", 10, "{1,2}"), ("two", 20, "{1,2}"))
        ]
        both = together(parts)
        connection.execute(both.sql, both.params)
        found = connection.execute("TABLE one UNION ALL TABLE two ORDER BY 1").fetchall()
        assert [row[0] for row in found] == [11, 12, 21, 22]
    assert together(parts[:1]) == Statement(parts[0].sql, list(parts[0].params))


def test_several_queries_gathered_are_one_row(db_url: str) -> None:
    asked = gathered(
        [
            Statement("SELECT n, n * %s AS more FROM generate_series(1, 2) AS n", (10,)),
            Statement("SELECT 1 AS one WHERE %s", (False,)),
            Statement("SELECT '\\x00ff'::bytea AS some, array[1, 2] AS many", ()),
        ]
    )
    with psycopg.connect(db_url, autocommit=True) as connection:
        row = connection.execute(asked.sql, asked.params).fetchone()
    assert row is not None
    assert json.loads(row[0]) == [{"n": 1, "more": 10}, {"n": 2, "more": 20}]
    assert row[1] is None
    assert json.loads(row[2]) == [{"some": "\\x00ff", "many": [1, 2]}]
