"""Recognising what was presented, with nothing but what the gate holds.

The same order as on the server: a code of ours, then a ticket's short number, then a document.
Scanners are keyboards: case, width and stray spaces are put right before anything is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nacl.signing import VerifyKey

from shanmen.admission.protocol import AskRequest, document_mark
from shanmen.admission.rules import Code
from shanmen.kit import documents
from shanmen.tickets import token
from shanmen.tickets.token import TicketBody


@dataclass(frozen=True, slots=True)
class Shown:
    """One number that a shown document may stand for, with its mark."""

    number: str
    mark: bytes
    key: bytes
    """What it is marked with."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What a scan presents, as far as it can be read without looking anything up."""

    code: Code
    body: TicketBody | None = None
    """What a signed code says."""
    token: str = ""
    """The signed code without its changing part: it opens what is sealed."""
    tail: str | None = None
    number: str | None = None
    """Short number: the order's number, a hyphen, the ticket's within it."""
    shown: tuple[Shown, ...] = ()
    shows_document: bool = False
    """Also where the number cannot be any document's, or there is no key to mark it with."""

    @property
    def marks(self) -> list[bytes]:
        """Marks of the shown document."""
        return [shown.mark for shown in self.shown]


def recognise(
    scan: AskRequest, *, keys: Mapping[int, VerifyKey], document_keys: Sequence[bytes]
) -> Presented:
    """Read one scan; nothing is looked up."""
    text = scan.code.strip()
    shows = bool(scan.document.strip())
    shown = document_marks(scan.document, document_keys) if shows else ()
    if not text:
        read = Code.DOCUMENT if _is_document(scan.document) else Code.MISTYPED
        code = read if shows else Code.UNREADABLE
        return Presented(code, shown=shown, shows_document=shows)
    if scan.kind == "code" or (scan.kind == "auto" and token.looks_like_token(text)):
        return _read_code(text, keys, shown, shows=shows)
    number = token.short_number(text) if scan.kind != "document" else None
    if number is not None:
        short = f"{number[0]}-{number[1]}"
        return Presented(Code.TYPED, number=short, shown=shown, shows_document=shows)
    if scan.kind != "number" and _is_document(text):
        found = document_marks(text, document_keys)
        return Presented(Code.DOCUMENT, shown=found, shows_document=True)
    if scan.kind == "document" or documents.is_shaped_18(text):
        return Presented(Code.MISTYPED, shown=shown, shows_document=shows)
    return Presented(Code.UNREADABLE, shown=shown, shows_document=shows)


def document_marks(number: str, keys: Sequence[bytes]) -> tuple[Shown, ...]:
    """Marks that a document number may have: a reader tells the number, not the kind.

    The first is the one that the journal tells.
    """
    numbers = documents.readings(number)
    return tuple(Shown(text, document_mark(key, text), key) for key in keys for text in numbers)


def _is_document(text: str) -> bool:
    return bool(documents.readings(text))


def _read_code(
    text: str, keys: Mapping[int, VerifyKey], shown: tuple[Shown, ...], *, shows: bool
) -> Presented:
    try:
        signed, tail = token.split(text)
        body = token.verify(text, keys)
    except (token.TokenBadSignature, token.TokenUnknownKey):
        return Presented(Code.FORGED, shown=shown, shows_document=shows)
    except (token.TokenMalformed, token.TokenVersion):
        return Presented(Code.UNREADABLE, shown=shown, shows_document=shows)
    return Presented(
        Code.STATIC, body=body, token=signed, tail=tail, shown=shown, shows_document=shows
    )
