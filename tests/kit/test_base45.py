"""Base 45 by the examples of RFC 9285, and back again for any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.kit import base45


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"AB", "BB8"),
        (b"Hello!!", "%69 VD92EX0"),
        (b"base-45", "UJCLQE7W581"),
        (b"ietf!", "QED8WEX0"),
        (b"", ""),
        (b"\xff\xff", "FGW"),
        (b"\xff", "U5"),
        (b"\x00\x00\x00", "00000"),
    ],
)
def test_the_examples_of_the_rfc(data: bytes, text: str) -> None:
    assert base45.encode(data) == text
    assert base45.decode(text) == data


@given(st.binary(max_size=300))
def test_any_bytes_come_back(data: bytes) -> None:
    text = base45.encode(data)
    assert base45.decode(text) == data
    assert len(text) == len(data) // 2 * 3 + len(data) % 2 * 2


@given(st.text(base45.ALPHABET, max_size=60))
def test_no_two_texts_stand_for_the_same_bytes(text: str) -> None:
    try:
        data = base45.decode(text)
    except ValueError:
        return
    assert base45.encode(data) == text


@pytest.mark.parametrize("text", ["GGW", ":::", "::", "U6", "0", "0000", "abc", "A\u00df0", "00_"])
def test_what_no_encoder_writes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\."):
        base45.decode(text)
