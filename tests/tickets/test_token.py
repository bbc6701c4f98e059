"""The signed ticket: it says what was put in, is believed only as signed, and fits a small code.

``vectors.json`` is for other implementations. ``python tests/tickets/test_token.py`` writes it
anew after a deliberate change of the format.
"""

import json
import struct
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from shanmen.kit import base45
from shanmen.kit.crypto import Keyring
from shanmen.kit.errors import DomainError
from shanmen.tickets import rotating, token
from shanmen.tickets.token import TicketBody

VECTORS = Path(__file__).with_name("vectors.json")
DOCUMENT = Path(__file__).parents[2] / "docs" / "ticket-format.md"
DATA_KEY = bytes(range(32))
SEEDS = {1: bytes(range(100, 132)), 65535: bytes(range(200, 232))}
PRIVATE = {number: Ed25519PrivateKey.from_private_bytes(seed) for number, seed in SEEDS.items()}
KEYS = {number: key.public_key() for number, key in PRIVATE.items()}
ZONE = "Asia/Shanghai"

PLAIN = TicketBody(
    key_id=1,
    site_number=3,
    ticket_id=UUID("019690e2-4c00-7000-8000-00000000002a"),
    generation=0,
    ticket_type_number=12,
    party_size=1,
    entries=1,
    valid_from=datetime(2026, 5, 1, 0, 30, tzinfo=UTC),
    valid_until=datetime(2026, 5, 1, 10, 0, tzinfo=UTC),
    zones=1,
)
BODIES = {
    "one visitor, one entry, any entrance": PLAIN,
    "rotating code and document": replace(PLAIN, rotating=True, second_factor=True),
    "family, unlimited entries, rescheduled twice": replace(
        PLAIN, party_size=4, entries=0, generation=2, zones=0b101
    ),
    "home entrance number 0": replace(PLAIN, home_entrance=0),
    "every figure at its most": TicketBody(
        key_id=65535,
        site_number=65535,
        ticket_id=UUID(int=(1 << 128) - 1),
        generation=255,
        ticket_type_number=65535,
        party_size=65535,
        entries=255,
        valid_from=datetime(1970, 1, 1, tzinfo=UTC),
        valid_until=datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
        zones=(1 << 32) - 1,
        rotating=True,
        second_factor=True,
        home_entrance=255,
    ),
}


def signed(packed: bytes, key_id: int = 1) -> str:
    """A token of any bytes, signed properly."""
    signature = PRIVATE[key_id].sign(b"SM1" + packed)
    return "SM1" + base45.encode(packed + signature)


def packed(**changes: Any) -> bytes:
    fields = {
        "version": 1, "flags": 0, "key_id": 1, "site": 3, "ticket_id": PLAIN.ticket_id.bytes,
        "generation": 0, "type": 12, "party": 1, "entries": 1, "valid_from": 29_630_000,
        "valid_until": 29_631_000, "zones": 1, "entrance": 0,
    } | changes  # fmt: skip
    return struct.pack(">BBHH16sBHHBIIIB", *fields.values())


def refused() -> dict[str, tuple[str, str]]:
    """Texts that must be refused, each with the code of its refusal."""
    good = token.issue(PLAIN, PRIVATE[1])
    data = base45.decode(good[3:])
    changed = bytearray(data)
    changed[30] ^= 1
    elsewhere = Ed25519PrivateKey.from_private_bytes(bytes(32))
    foreign = good[:50] + "_" + good[51:]
    return {
        "nothing": ("", "tickets.token_malformed"),
        "something else": ("HTTPS://EXAMPLE.COM/", "tickets.token_malformed"),
        "the prefix alone": ("SM1", "tickets.token_malformed"),
        "a character too few": (good[:-1], "tickets.token_malformed"),
        "a character too many": (good + "0", "tickets.token_malformed"),
        "a character that base 45 has not": (foreign, "tickets.token_malformed"),
        "three characters beyond two bytes": ("SM1:::" + good[6:], "tickets.token_malformed"),
        "a later version": ("SM2" + good[3:], "tickets.token_version"),
        "a later version of another length": ("SM9ABC", "tickets.token_version"),
        "an earlier version": ("SM0" + good[3:], "tickets.token_malformed"),
        "a later version inside": (signed(packed(version=2)), "tickets.token_version"),
        "an unknown flag": (signed(packed(flags=0b1000)), "tickets.token_malformed"),
        "an entrance without its flag": (signed(packed(entrance=4)), "tickets.token_malformed"),
        "a party of nobody": (signed(packed(party=0)), "tickets.token_malformed"),
        "a validity that ends where it begins": (
            signed(packed(valid_until=29_630_000)), "tickets.token_malformed",
        ),
        "a validity beyond the year 9999": (
            signed(packed(valid_until=(1 << 32) - 1)), "tickets.token_malformed",
        ),
        "a key that is not here": (signed(packed(key_id=2)), "tickets.token_unknown_key"),
        "another key than it names": (signed(packed(key_id=65535)), "tickets.token_bad_signature"),
        "a changed ticket": ("SM1" + base45.encode(bytes(changed)), "tickets.token_bad_signature"),
        "a signature without the prefix": (
            "SM1" + base45.encode(packed() + PRIVATE[1].sign(packed())),
            "tickets.token_bad_signature",
        ),
        "a signature of somebody else": (
            "SM1" + base45.encode(packed() + elsewhere.sign(b"SM1" + packed())),
            "tickets.token_bad_signature",
        ),
        "no signature": (
            "SM1" + base45.encode(packed() + bytes(64)), "tickets.token_bad_signature",
        ),
    }  # fmt: skip


def rotating_vectors() -> dict[str, Any]:
    keyring = Keyring(DATA_KEY)
    body = BODIES["rotating code and document"]
    day = date(2026, 5, 1)
    now = datetime(2026, 5, 1, 1, 2, 40, tzinfo=UTC)
    of_day = rotating.day_key(keyring, site_number=body.site_number, day=day)
    key = rotating.ticket_key(of_day, ticket_id=body.ticket_id, generation=body.generation)
    step = rotating.step_at(now)
    texts = {
        "of this step": rotating.tail(key, step),
        "of the step before": rotating.tail(key, step - 1),
        "of the next step": rotating.tail(key, step + 1),
        "two steps old": rotating.tail(key, step - 2),
        "an hour and two minutes old": rotating.tail(key, step - 124),
        "three hours old, when the low byte has come round": rotating.tail(key, step - 360),
        "two steps early": rotating.tail(key, step + 2),
        "an hour early": rotating.tail(key, step + 120),
        "of another generation": rotating.tail(
            rotating.ticket_key(of_day, ticket_id=body.ticket_id, generation=1), step
        ),
        "no base 45": "_" * 9,
    }
    return {
        "timezone": ZONE,
        "site_number": body.site_number,
        "day": day.isoformat(),
        "day_key": of_day.hex(),
        "ticket_id": str(body.ticket_id),
        "generation": body.generation,
        "ticket_key": key.hex(),
        "now": now.isoformat(),
        "step": step,
        "checks": [
            {"name": name, "tail": text} | asdict(check_at(text, body, {day: of_day}, now))
            for name, text in texts.items()
        ],
    }


def check_at(
    text: str | None, body: TicketBody, keys: dict[date, bytes], now: datetime
) -> rotating.RotatingVerdict:
    return rotating.check(
        text,
        ticket_id=body.ticket_id,
        generation=body.generation,
        now=now,
        timezone=ZONE,
        day_key_of=keys.get,
    )


def build_vectors() -> dict[str, Any]:
    return {
        "format": "Shanmen ticket, version 1; see docs/ticket-format.md",
        "keys": [
            {
                "key_id": number,
                "seed": seed.hex(),
                "public": KEYS[number].public_bytes_raw().hex(),
            }
            for number, seed in SEEDS.items()
        ],
        "tokens": [
            {
                "name": name,
                "body": _plain(body),
                "bytes": base45.decode(token.issue(body, PRIVATE[body.key_id])[3:]).hex(),
                "token": token.issue(body, PRIVATE[body.key_id]),
            }
            for name, body in BODIES.items()
        ],
        "refused": [
            {"name": name, "text": text, "code": code} for name, (text, code) in refused().items()
        ],
        "rotating": rotating_vectors(),
    }


def _plain(body: TicketBody) -> dict[str, Any]:
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else str(value)
        if isinstance(value, UUID)
        else value
        for name, value in asdict(body).items()
    }


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
    code = segno.make(longest, error="m", boost_error=False, micro=False)
    assert code.mode == "alphanumeric"
    assert code.version == 7


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
    for other in ("", "SM1", "260501SM1ABCDEFG", "11010519491231002X", "HTTPS://" + "A" * 160):
        assert not token.looks_like_token(other)


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(build_vectors(), indent=2, ensure_ascii=False) + "\n", "utf-8")
