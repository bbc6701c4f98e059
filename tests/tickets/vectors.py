"""The tickets, keys and texts of ``vectors.json``, which is for other implementations too.

``python -m tests.tickets.vectors`` writes the file anew after a deliberate change of the format.
"""

import json
import struct
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl.signing import SigningKey

from shanmen.kit import base45
from shanmen.kit.crypto import Keyring
from shanmen.tickets import rotating, token
from shanmen.tickets.token import TicketBody

VECTORS = Path(__file__).with_name("vectors.json")
DOCUMENT = Path(__file__).parents[2] / "docs" / "ticket-format.md"
DATA_KEY = bytes(range(32))
SEEDS = {1: bytes(range(100, 132)), 65535: bytes(range(200, 232))}
PRIVATE = {number: SigningKey(seed) for number, seed in SEEDS.items()}
KEYS = {number: key.verify_key for number, key in PRIVATE.items()}
OTHERS = {number: Ed25519PrivateKey.from_private_bytes(seed) for number, seed in SEEDS.items()}
"""The same keys in another library, so that the texts are not all of the one under test."""
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
    signature = OTHERS[key_id].sign(b"SM1" + packed)
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
            "SM1" + base45.encode(packed() + OTHERS[1].sign(packed())),
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
                "public": KEYS[number].encode().hex(),
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


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(build_vectors(), indent=2, ensure_ascii=False) + "\n", "utf-8")
