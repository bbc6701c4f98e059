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


@given(st.integers(-(10**12), 10**12), st.integers(0, 100_000))
def test_a_percentage_is_rounded_half_away_from_zero(amount: int, points: int) -> None:
    exact = Decimal(amount) * points / 10_000
    assert money.share(amount, points) == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def test_examples_of_fees() -> None:
    assert money.share(10_000, 60) == 60
    assert money.share(250, 60) == 2
    assert money.share(249, 60) == 1
    assert money.share(-250, 60) == -2
