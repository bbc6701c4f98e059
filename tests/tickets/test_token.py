"""The signed ticket: it says what was put in, is believed only as signed, fits a small code."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from shanmen.kit import base45
from shanmen.kit.errors import DomainError
from shanmen.tickets import rotating, token
from shanmen.tickets.token import TicketBody
from tests.tickets.vectors import (
    BODIES,
    DOCUMENT,
    KEYS,
    PLAIN,
    PRIVATE,
    SEEDS,
    VECTORS,
    build_vectors,
    refused,
    rotating_vectors,
    signed,
)


def test_the_published_vectors_are_those_of_this_code() -> None:
    assert json.loads(VECTORS.read_text("utf-8")) == build_vectors()


def test_the_example_of_the_documentation_is_one_of_them() -> None:
    document = DOCUMENT.read_text("utf-8")
    text = token.issue(BODIES["rotating code and document"], PRIVATE[1])
    assert text[:81] in document
    assert text[81:] in document
    vectors = rotating_vectors()
    for shown in (SEEDS[1].hex(), vectors["ticket_key"], vectors["checks"][0]["tail"]):
        assert shown in document


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_token_says_what_was_put_in(body: TicketBody) -> None:
    text = token.issue(body, PRIVATE[body.key_id])
    assert token.verify(text, KEYS) == body
    assert token.issue(body, PRIVATE[body.key_id]) == text
    assert len(text) == token.TOKEN_CHARS == 161
    assert set(text) <= set(base45.ALPHABET)


@pytest.mark.parametrize(("text", "code"), refused().values(), ids=refused())
def test_a_text_is_refused_with_a_code(text: str, code: str) -> None:
    with pytest.raises(DomainError) as caught:
        token.verify(text, KEYS)
    assert caught.value.code == code


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_it_fits_a_small_qr_code_also_with_the_part_that_changes(body: TicketBody) -> None:
    text = token.issue(body, PRIVATE[body.key_id])
    longest = text + rotating.tail(bytes(32), 7)
    code = zxingcpp.create_barcode(longest, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    picture: Any = code.to_image(scale=1, add_quiet_zones=False)
    modules = memoryview(picture).nbytes
    # Version 7; in the mode for any bytes it would need version 9.
    assert modules == 45 * 45


INSTANTS = st.integers(0, 4_223_370_000).map(
    lambda minutes: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@st.composite
def bodies(draw: st.DrawFn) -> TicketBody:
    valid_from = draw(INSTANTS)
    return TicketBody(
        key_id=draw(st.sampled_from(list(SEEDS))),
        site_number=draw(st.integers(0, 65535)),
        ticket_id=draw(st.uuids()),
        generation=draw(st.integers(0, 255)),
        ticket_type_number=draw(st.integers(0, 65535)),
        party_size=draw(st.integers(1, 65535)),
        entries=draw(st.integers(0, 255)),
        valid_from=valid_from,
        valid_until=valid_from + timedelta(minutes=draw(st.integers(1, 1439))),
        zones=draw(st.integers(0, (1 << 32) - 1)),
        rotating=draw(st.booleans()),
        second_factor=draw(st.booleans()),
        home_entrance=draw(st.none() | st.integers(0, 255)),
    )


@given(bodies())
def test_every_body_comes_back(body: TicketBody) -> None:
    assert token.verify(token.issue(body, PRIVATE[body.key_id]), KEYS) == body


@given(bodies(), st.integers(0, 105 * 8 - 1))
def test_every_changed_bit_is_refused(body: TicketBody, bit: int) -> None:
    data = bytearray(base45.decode(token.issue(body, PRIVATE[body.key_id])[3:]))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DomainError):
        token.verify("SM1" + base45.encode(bytes(data)), KEYS)


@given(bodies(), st.none() | st.integers(0, 105 * 8 - 1))
def test_who_can_sign_reads_what_everybody_reads(body: TicketBody, changed: int | None) -> None:
    data = bytearray(base45.decode(token.issue(body, PRIVATE[body.key_id])[3:]))
    if changed is not None:
        data[changed // 8] ^= 1 << changed % 8
    text = "SM1" + base45.encode(bytes(data))

    said: list[TicketBody | type[DomainError]] = []
    for read in (lambda: token.verify(text, KEYS), lambda: token.verify_own(text, PRIVATE)):
        try:
            said.append(read())
        except DomainError as error:
            said.append(type(error))
    assert said[0] == said[1]
    assert (said[0] == body) == (changed is None)


@settings(max_examples=300)
@given(st.binary(min_size=41, max_size=41))
def test_any_signed_bytes_are_read_the_one_way_or_refused(data: bytes) -> None:
    data = b"\x01" + data[1:2] + b"\x00\x01" + data[4:]
    text = signed(data)
    try:
        body = token.verify(text, KEYS)
    except DomainError:
        return
    assert token.issue(body, PRIVATE[1]) == text


@given(st.text(max_size=200) | st.text(base45.ALPHABET, min_size=161, max_size=161))
def test_any_text_is_refused_with_a_code(text: str) -> None:
    with pytest.raises(DomainError):
        token.verify(text, KEYS)
    with pytest.raises(DomainError):
        token.verify(f"SM1{text}", KEYS)


NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001
FULL_WIDTH = {ord(c): ord(c) + 0xFEE0 for c in base45.ALPHABET if c != " "} | {32: 0x3000}


@given(bodies(), st.booleans())
def test_what_keyboards_do_to_a_code_is_put_right(body: TicketBody, with_tail: bool) -> None:
    text = token.issue(body, PRIVATE[body.key_id])
    if with_tail:
        text += rotating.tail(bytes(32), 9)
    typed = [
        text.lower(),
        text.swapcase(),
        f"{text}\r\n",
        f"\t {text} \n",
        f"\ufeff{text}".lstrip("\ufeff"),
        text.translate(FULL_WIDTH),
        text.lower().translate(FULL_WIDTH),
        text.replace(".", "。").replace("/", "、").replace("$", "￥"),
    ]
    for one in typed:
        assert token.normalise(one) == text
        assert token.verify(one, KEYS) == body
        assert token.split(one) == (text[:161], text[161:] or None)


@given(st.binary(min_size=105, max_size=105), st.binary(min_size=6, max_size=6))
def test_no_code_ends_with_a_space_that_could_be_lost(body: bytes, tail: bytes) -> None:
    assert not base45.encode(body).endswith(" ")
    assert not base45.encode(tail).endswith(" ")


def test_letters_beyond_ascii_are_no_capitals_of_ours() -> None:
    text = token.issue(PLAIN, PRIVATE[1])
    at = text.index("S")
    for letter in ("ſ", "ß", "ı"):
        with pytest.raises(token.TokenMalformed):
            token.verify(text[:at] + letter + text[at + 1 :] + "\u0300", KEYS)


def test_minutes_are_widened_to_whole_ones() -> None:
    body = replace(
        PLAIN,
        valid_from=datetime(2026, 5, 1, 8, 30, 59, 999, tzinfo=timezone(timedelta(hours=8))),
        valid_until=datetime(2026, 5, 1, 9, 59, 0, 1, tzinfo=UTC),
    )
    assert token.verify(token.issue(body, PRIVATE[1]), KEYS) == PLAIN


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"party_size": 0}, "admits somebody"),
        ({"valid_until": PLAIN.valid_from}, "at some time"),
        ({"party_size": 65536}, "does not fit"),
        ({"generation": 256}, "does not fit"),
        ({"generation": -1}, "does not fit"),
        ({"entries": 256}, "does not fit"),
        ({"zones": 1 << 32}, "does not fit"),
        ({"home_entrance": 256}, "does not fit"),
        ({"site_number": 65536}, "does not fit"),
        ({"valid_from": datetime(1969, 1, 1, tzinfo=UTC)}, "does not fit"),
        (
            {"valid_from": NAIVE, "valid_until": NAIVE + timedelta(hours=1)},
            "no time zone",
        ),
    ],
)
def test_a_figure_that_does_not_fit_is_not_issued(change: dict, says: str) -> None:
    body = replace(PLAIN, **change)
    with pytest.raises((ValueError, TypeError), match=says):
        token.issue(body, PRIVATE[1])


def test_the_flags_are_those_of_the_tables() -> None:
    assert PLAIN.flags == 0
    assert replace(PLAIN, rotating=True).flags == token.ROTATING == 1
    assert replace(PLAIN, second_factor=True).flags == token.SECOND_FACTOR == 2
    assert replace(PLAIN, home_entrance=0).flags == token.HOME_ENTRANCE == 4


def test_a_later_version_says_which() -> None:
    with pytest.raises(token.TokenVersion) as caught:
        token.verify("sm2" + "A" * 300, KEYS)
    assert caught.value.params == {"version": 2}


def test_tickets_are_told_from_other_texts() -> None:
    text = token.issue(PLAIN, PRIVATE[1])
    assert token.looks_like_token(text.lower() + "\n")
    assert token.looks_like_token("SM2" + text[3:])
    for torn in ("SM1", "sm1garbage", text[:9], text[:40]):
        assert token.looks_like_token(torn)
    passport = "SM1234567"
    for other in ("", "SM", passport, "260501SM1ABCDEFG", "11010519491231002X", "HTTPS://SM1"):
        assert not token.looks_like_token(other)


@pytest.mark.parametrize("name", BODIES)
def test_many_that_differ_in_their_id_alone_are_signed_as_one(name: str) -> None:
    # The id that it is made with occurs among the bytes around it too.
    body = BODIES[name]
    signed = token.signer(replace(body, ticket_id=UUID(int=0)), PRIVATE[1])
    for ticket_id in (UUID(int=0), UUID(int=1 << 40), body.ticket_id):
        text = token.issue(replace(body, ticket_id=ticket_id), PRIVATE[1])
        assert signed(ticket_id) == token.signature_of(text)
