"""Money: read exactly, split exactly, rounded one way."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.kit import money


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("12.50", 1250),
        ("12.5", 1250),
        ("12", 1200),
        ("0", 0),
        ("0.01", 1),
        ("¥ 12.50".replace(" ", ""), 1250),
        ("￥12.50", 1250),
        ("12.50元", 1250),
        ("１２．５０", 1250),
        (" 1,234,567.89 ", 123456789),
        ("007", 700),
    ],
)
def test_amounts_are_read(text: str, fen: int) -> None:
    assert money.parse(text) == fen
    assert money.parse(f"-{text.strip()}", negative=True) == -fen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "1.234",
        "1.",
        ".5",
        "1,23",
        "12,34.5",
        "1e3",
        "abc",
        "1 2",
        "+1",
        "99999999999999999",
        "1" * 1000,
        "--1",
        "NaN",
        "٣",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(money.AmountInvalid) as caught:
        money.parse(text, field="price")
    assert caught.value.field == "price"


@given(st.integers(0, 10**12))
def test_a_written_amount_reads_back(fen: int) -> None:
    assert money.parse(f"{fen // 100}.{fen % 100:02}") == fen
    assert money.parse(f"{fen // 100:,}.{fen % 100:02}") == fen


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any),
)
def test_parts_add_up_and_are_within_a_fen_of_their_share(amount: int, weights: list[int]) -> None:
    parts = money.allocate(amount, weights)
    assert sum(parts) == amount
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * total - amount * weight) < total
        assert weight or not part
    assert money.allocate(-amount, weights) == [-part for part in parts]


def test_the_largest_remainder_gets_the_fen_and_the_first_of_equals() -> None:
    assert money.allocate(100, [1, 1, 1]) == [34, 33, 33]
    assert money.allocate(10, [6, 3, 1]) == [6, 3, 1]
    assert money.allocate(7, [50, 30, 20]) == [4, 2, 1]
    assert money.allocate(5, [1, 1]) == [3, 2]
    assert money.allocate(0, [0, 0]) == [0, 0]
    assert money.allocate(0, []) == []


def test_an_amount_must_have_somewhere_to_go() -> None:
    with pytest.raises(ValueError, match="no weight"):
        money.allocate(1, [0, 0])
    with pytest.raises(ValueError, match="no weight"):
        money.allocate(1, [])
    with pytest.raises(ValueError, match="negative"):
        money.allocate(1, [2, -1])


@given(st.integers(-(10**12), 10**12), st.integers(0, 100_000))
def test_a_percentage_is_rounded_half_away_from_zero(amount: int, points: int) -> None:
    exact = Decimal(amount) * points / 10_000
    assert money.share(amount, points) == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def test_examples_of_fees() -> None:
    assert money.share(10_000, 60) == 60
    assert money.share(250, 60) == 2
    assert money.share(249, 60) == 1
    assert money.share(-250, 60) == -2
