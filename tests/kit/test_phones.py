"""Telephone numbers: what is understood, what is refused, what is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.kit import phones


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("13812341234", "+8613812341234"),
        ("138 1234 1234", "+8613812341234"),
        ("138-1234-1234", "+8613812341234"),
        ("１３８１２３４１２３４", "+8613812341234"),
        ("+86 138 1234 1234", "+8613812341234"),
        ("0086 13812341234", "+8613812341234"),
        ("8613812341234", "+8613812341234"),
        ("013812341234", "+8613812341234"),
        ("(010) 6512 3456", "+861065123456"),
        ("021-65123456", "+862165123456"),
        ("0571-87654321", "+8657187654321"),
        ("+852 5123 4567", "+85251234567"),
        ("+853 6612 3456", "+85366123456"),
        ("+886 0912 345 678", "+886912345678"),
        ("+1 (415) 555-2671", "+14155552671"),
        ("+44 20 7946 0958", "+442079460958"),
    ],
)
def test_numbers_become_e164(typed: str, normal: str) -> None:
    assert phones.normalise(typed) == normal
    assert phones.normalise(normal) == normal


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "12345",
        "1381234123",
        "138123412345",
        "12812341234",
        "+86 128 1234 1234",
        "+852 1234",
        "+852 11234567",
        "+853 12345678",
        "+886 11",
        "+0123456789",
        "+123",
        "+1234567890123456",
        "phone",
        "1381234123x",
        "١٣٨١٢٣٤١٢٣٤",
        "1" * 10_000,
    ],
)
def test_what_can_be_no_number_is_refused(typed: str) -> None:
    with pytest.raises(phones.PhoneInvalid) as caught:
        phones.normalise(typed, field="contact.phone")
    assert caught.value.field == "contact.phone"
    assert not caught.value.params


@given(st.text("+0123456789 -().", max_size=45))
def test_any_text_is_either_normal_or_refused(text: str) -> None:
    try:
        number = phones.normalise(text)
    except phones.PhoneInvalid:
        return
    assert phones.normalise(number) == number
    shown = phones.mask(number)
    assert "****" in shown
    assert number.removeprefix("+86") not in shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613812341234", "138****1234"),
        ("+85251234567", "+852****4567"),
        ("+886912345678", "+886****5678"),
        ("+861065123456", "+86****3456"),
        ("+14155552671", "+14****2671"),
        ("+1415555", "+14****55"),
    ],
)
def test_a_number_is_shown_masked(number: str, shown: str) -> None:
    assert phones.mask(number) == shown


def test_mainland_mobiles_are_written_without_the_country() -> None:
    assert phones.national("+8613812341234") == "13812341234"
    assert phones.national("+85251234567") == "+85251234567"
    assert not phones.is_mainland_mobile("+861065123456")
