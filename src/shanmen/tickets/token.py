"""The signed ticket: what a QR code says, and how a gate believes it without asking anybody.

``SM1`` and 158 characters of base 45 (RFC 9285): 41 bytes about the ticket, then 64 bytes of an
Ed25519 signature (RFC 8032) over ``SM1`` and those 41. Every character is of the alphanumeric mode
of QR codes, so that the code stays small. A code that changes (``tickets.rotating``) follows as
nine more characters. ``docs/ticket-format.md`` has every byte, with examples.
"""

import hmac
import math
import re
import struct
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from shanmen.kit import base45, documents, ids
from shanmen.kit.errors import DomainError

MAGIC = "SM"
VERSION = 1
PREFIX = f"{MAGIC}{VERSION}"
_PREFIX_BYTES = PREFIX.encode()
TAIL_CHARS = 9
"""Length of the part that changes."""

ROTATING = 0b001
"""Bit of the flags: only a code that changes proves the ticket."""
SECOND_FACTOR = 0b010
"""Bit of the flags: the visitor also shows the document that the ticket is made out on."""
HOME_ENTRANCE = 0b100
"""Bit of the flags: one entrance alone admits this ticket."""
_KNOWN_FLAGS = ROTATING | SECOND_FACTOR | HOME_ENTRANCE

# version, flags, key id, site, ticket id, generation, ticket type, party size, entries,
# valid from, valid until, zones, entrance
_LAYOUT = struct.Struct(">BBHH16sBHHBIIIB")
_ID_AT = struct.calcsize(">BBHH")
_SIGNATURE_BYTES = 64
_TOKEN_BYTES = _LAYOUT.size + _SIGNATURE_BYTES
TOKEN_CHARS = len(PREFIX) + _TOKEN_BYTES // 2 * 3 + _TOKEN_BYTES % 2 * 2
"""Length of a token without the part that changes."""

_SHORT_NUMBER = re.compile(r"([0-9]{6}[0-9A-HJKMNP-TV-Z]{10})([0-9]{1,3})")
_MARK = re.compile(r"SM[1-9](?![0-9]{2,6}\Z)")
_EIGHTEEN = re.compile(r"[0-9]{17}[0-9X]")

_GENERATIONS = 256
_MOST_ENTRIES = 255
_LATER_VERSIONS = frozenset("23456789")
_SECONDS_PER_MINUTE = 60
_LAST_MINUTE = int(datetime.max.replace(tzinfo=UTC).timestamp()) // _SECONDS_PER_MINUTE
# What an input method for Chinese makes of the characters that base 45 has besides letters and
# digits; the full-width ones are put right by Unicode's own rules.
_TYPED_BY_INPUT_METHOD = str.maketrans({"。": ".", "、": "/", "￥": "$", "¥": "$"})


class TokenMalformed(DomainError):
    """The text is no ticket of ours, or a part of it got lost."""

    code = "tickets.token_malformed"
    status = 422


class TokenVersion(DomainError):
    """The ticket was made by a later version of Shanmen; ``params``: ``version``."""

    code = "tickets.token_version"
    status = 422


class TokenUnknownKey(DomainError):
    """No key of that number is here: of another operator, or not fetched yet."""

    code = "tickets.token_unknown_key"
    status = 422


class TokenBadSignature(DomainError):
    """The ticket was not signed by its operator: it is made up or changed."""

    code = "tickets.token_bad_signature"
    status = 422


@dataclass(frozen=True, slots=True)
class TicketBody:
    """What a token says. A gate decides by this alone when it has no network."""

    key_id: int
    """Number of the tenant's signing key, 0 to 65535."""
    site_number: int
    """The site's number within the tenant, 0 to 65535."""
    ticket_id: UUID
    generation: int
    """Counts changes of the ticket, 0 to 255: an older token of it is void."""
    ticket_type_number: int
    """The type's short number within the site, 0 to 65535."""
    party_size: int
    """Persons admitted per entry, 1 to 65535."""
    entries: int
    """How many entries each person has into each zone, 1 to 255; 0 is without limit."""
    valid_from: datetime
    """Whole minutes, UTC."""
    valid_until: datetime
    """Whole minutes, UTC; this instant itself is no longer valid."""
    zones: int
    """Bit mask of the site's zone numbers 0 to 31."""
    rotating: bool = False
    second_factor: bool = False
    home_entrance: int | None = None
    """Number of the only entrance that admits, 0 to 255; None for any."""

    @classmethod
    def of_ticket(
        cls,
        *,
        key_id: int,
        site_number: int,
        ticket_id: UUID,
        generation: int,
        ticket_type_number: int,
        party_size: int,
        entries: int,
        valid_from: datetime,
        valid_until: datetime,
        zones: int,
        flags: int,
    ) -> "TicketBody":
        """The body of a ticket as the tables keep it.

        Whoever signs it again, for a page or for what a gate seals, gets the same token: a
        generation beyond the token's byte goes round, and entries beyond it are the most it says.
        """
        return cls(
            key_id=key_id,
            site_number=site_number,
            ticket_id=ticket_id,
            generation=generation % _GENERATIONS,
            ticket_type_number=ticket_type_number,
            party_size=party_size,
            entries=min(entries, _MOST_ENTRIES),
            valid_from=valid_from,
            valid_until=valid_until,
            zones=zones,
            rotating=bool(flags & ROTATING),
            second_factor=bool(flags & SECOND_FACTOR),
        )

    @property
    def flags(self) -> int:
        """The flags as bits: ROTATING, SECOND_FACTOR, HOME_ENTRANCE."""
        return (
            self.rotating * ROTATING
            | self.second_factor * SECOND_FACTOR
            | (self.home_entrance is not None) * HOME_ENTRANCE
        )


def issue(body: TicketBody, key: SigningKey) -> str:
    """Return the token of a ticket; the same body and key always give the same token.

    Seconds do not fit: ``valid_from`` is rounded down and ``valid_until`` up to the minute. Raises
    ValueError for a figure that does not fit its field.
    """
    packed = _packed(body)
    return PREFIX + base45.encode(packed + key.sign(_PREFIX_BYTES + packed).signature)


def signer(body: TicketBody, key: SigningKey) -> Callable[[UUID], bytes]:
    """Return what signs tickets that differ from ``body`` in nothing but their id.

    What it returns is the signature alone, as it stands in the ticket's token: for who goes through
    the tickets of a day and wants no text. Raises ValueError as ``issue`` does.
    """
    packed = _packed(body)
    before, after = _PREFIX_BYTES + packed[:_ID_AT], packed[_ID_AT + len(body.ticket_id.bytes) :]
    return lambda ticket_id: key.sign(before + ticket_id.bytes + after).signature


def signature_of(token: str) -> bytes:
    """Return the signature in a token that ``verify`` has accepted."""
    return base45.decode(token[len(PREFIX) :])[_LAYOUT.size :]


def _packed(body: TicketBody) -> bytes:
    if body.party_size < 1 or body.valid_until <= body.valid_from:
        raise ValueError("A ticket admits somebody, and at some time.")
    try:
        return _LAYOUT.pack(
            VERSION,
            body.flags,
            body.key_id,
            body.site_number,
            body.ticket_id.bytes,
            body.generation,
            body.ticket_type_number,
            body.party_size,
            body.entries,
            math.floor(_seconds(body.valid_from) / _SECONDS_PER_MINUTE),
            math.ceil(_seconds(body.valid_until) / _SECONDS_PER_MINUTE),
            body.zones,
            body.home_entrance or 0,
        )
    except struct.error as error:
        raise ValueError(f"A figure of the ticket does not fit the token: {error}.") from error


def verify(text: str, keys: Mapping[int, VerifyKey]) -> TicketBody:
    """Return what a scanned token says, once its signature is checked.

    ``keys`` are those of the tenant, by number. The part that changes may be there and is not
    looked at: see ``split``. Raises TokenMalformed, TokenVersion, TokenUnknownKey or
    TokenBadSignature. Whether the ticket is valid here and now is not decided here.
    """
    packed, signature = _parts(text)
    body = _unpack(packed)
    key = keys.get(body.key_id)
    if key is None:
        raise TokenUnknownKey
    try:
        key.verify(_PREFIX_BYTES + packed, signature)
    except BadSignatureError as error:
        raise TokenBadSignature from error
    return body


def verify_own(text: str, keys: Mapping[int, SigningKey]) -> TicketBody:
    """Return what ``verify`` would, for whoever has the private keys; raises the same.

    Ed25519 gives the same body always the same signature (RFC 8032), so a token is genuine exactly
    if signing its body again gives what it carries; and signing is three times as quick as
    verifying.
    """
    packed, signature = _parts(text)
    body = _unpack(packed)
    key = keys.get(body.key_id)
    if key is None:
        raise TokenUnknownKey
    if not hmac.compare_digest(key.sign(_PREFIX_BYTES + packed).signature, signature):
        raise TokenBadSignature
    return body


def _parts(text: str) -> tuple[bytes, bytes]:
    """The body and the signature of a scanned text."""
    token, _ = split(text)
    try:
        data = base45.decode(token[len(PREFIX) :])
    except ValueError as error:
        raise TokenMalformed from error
    return data[: _LAYOUT.size], data[_LAYOUT.size :]


def split(text: str) -> tuple[str, str | None]:
    """Return a scanned text's token and the part that changes, or None where it has none.

    Raises TokenMalformed or TokenVersion; nothing is verified yet.
    """
    text = normalise(text)
    if not text.startswith(MAGIC):
        raise TokenMalformed
    if not text.startswith(PREFIX):
        version = text[len(MAGIC) : len(PREFIX)]
        if version in _LATER_VERSIONS:
            raise TokenVersion(version=int(version))
        raise TokenMalformed
    if len(text) == TOKEN_CHARS:
        return text, None
    if len(text) == TOKEN_CHARS + TAIL_CHARS:
        return text[:TOKEN_CHARS], text[TOKEN_CHARS:]
    raise TokenMalformed


def normalise(text: str) -> str:
    """Return a scanned text as it was printed.

    Scanners are keyboards: caps lock turns letters around, an input method makes characters
    full-width, an Enter or a Tab follows. Letters become capitals, since a token has no others. A
    space may be part of a token, but never its first or last character, so spaces go at both ends
    and stay within.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_TYPED_BY_INPUT_METHOD))
    # upper() would turn some letters beyond ASCII into letters of the alphabet.
    return text.strip().upper() if text.isascii() else text.strip()


def looks_like_token(text: str) -> bool:
    """Say whether a scanned text means to be a ticket, of whatever version, whole or torn.

    The mark alone says so, two letters and a version; but where a few digits are all that follows,
    it is the number of a passport.
    """
    return _MARK.match(normalise(text)) is not None


def short_number(text: str) -> tuple[str, int] | None:
    """Read a ticket's short number as somebody typed it, with or without its hyphen.

    Returns the order's number (`ids.order_number`) and the ticket's within it; None for anything
    else. Eighteen digits that may be an ID number are taken for one, unless there is a hyphen.
    """
    number = documents.normalise(text)
    if "-" not in text and _EIGHTEEN.fullmatch(number):
        return None
    found = _SHORT_NUMBER.fullmatch(ids.normalise(number))
    return (found[1], int(found[2])) if found else None


def _unpack(packed: bytes) -> TicketBody:
    (
        version,
        flags,
        key_id,
        site_number,
        ticket_id,
        generation,
        ticket_type_number,
        party_size,
        entries,
        valid_from,
        valid_until,
        zones,
        entrance,
    ) = _LAYOUT.unpack(packed)
    if version != VERSION:
        raise TokenVersion(version=version)
    home = bool(flags & HOME_ENTRANCE)
    # A bit that is not known may change the meaning of all the others.
    if flags & ~_KNOWN_FLAGS or (entrance and not home):
        raise TokenMalformed
    if party_size == 0 or not valid_from < valid_until <= _LAST_MINUTE:
        raise TokenMalformed
    return TicketBody(
        key_id=key_id,
        site_number=site_number,
        ticket_id=UUID(bytes=ticket_id),
        generation=generation,
        ticket_type_number=ticket_type_number,
        party_size=party_size,
        entries=entries,
        valid_from=datetime.fromtimestamp(valid_from * _SECONDS_PER_MINUTE, UTC),
        valid_until=datetime.fromtimestamp(valid_until * _SECONDS_PER_MINUTE, UTC),
        zones=zones,
        rotating=bool(flags & ROTATING),
        second_factor=bool(flags & SECOND_FACTOR),
        home_entrance=entrance if home else None,
    )


def _seconds(instant: datetime) -> float:
    if instant.utcoffset() is None:
        raise ValueError(f"{instant!r} has no time zone.")
    return instant.timestamp()
