"""Identity documents: what kinds there are, what their numbers must look like, how they are shown.

The check of a number finds typing mistakes; it does not prove that the document exists. Sources:
GB 11643-1999 for the 18 digits, the check digit, and the sex in the 17th digit; numbers of
residence permits for Hong Kong, Macao and Taiwan residents begin with 81, 82 and 83; the 18 digits
of the foreign permanent resident identity card of 2023 begin with 9 and keep the same structure.
"""

import re
import unicodedata
from datetime import date
from enum import StrEnum
from functools import lru_cache
from operator import mul
from typing import ClassVar, Literal

import msgspec

from shanmen.kit import clock
from shanmen.kit.errors import DomainError

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"
_ODD = frozenset("13579")
_DIGITS_18 = 18
_LONGEST_INPUT = 64
_FIRST_BIRTH_YEAR = 1900
_THIS_CENTURY = 2000
_HOME = "Asia/Shanghai"
_PROVINCE = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71")
_HMT_REGIONS = frozenset({"810000", "820000", "830000"})
_SHAPE_18 = re.compile(r"[0-9]{17}[0-9X]")
_CLEAN = re.compile(r"[0-9A-Z]+")
_NOISE = re.compile(r"[\s\-\u2010-\u2015\u200b-\u200f\ufeff]+")

Sex = Literal["male", "female"]


class DocumentKind(StrEnum):
    """Kinds of document that a ticket may be made out on."""

    ID_CARD = "id_card"
    """居民身份证."""
    PASSPORT = "passport"
    """A passport of any country."""
    HK_MACAO_PERMIT = "hk_macao_permit"
    """港澳居民来往内地通行证."""
    TAIWAN_PERMIT = "taiwan_permit"
    """台湾居民来往大陆通行证."""
    FOREIGN_PERMANENT_RESIDENT = "foreign_permanent_resident"
    """外国人永久居留身份证, of 15 characters or, since 2023, of 18 digits."""
    HMT_RESIDENCE_PERMIT = "hmt_residence_permit"
    """港澳台居民居住证."""


class DocumentInvalid(DomainError, abstract=True):
    """The number cannot be one of a document of this kind; ``params``: ``kind``.

    ``reason`` says what is wrong. The number itself is never part of the error.
    """

    status = 422
    reason: ClassVar[str]

    def __init__(self, *, kind: DocumentKind, field: str | None = None, **params: object) -> None:
        super().__init__(field=field, kind=kind.value, **params)


class DocumentLength(DocumentInvalid):
    """There are too few or too many characters."""

    code = "kit.document_length"
    reason = "length"


class DocumentCharacters(DocumentInvalid):
    """There is a character that does not occur there."""

    code = "kit.document_characters"
    reason = "characters"


class DocumentCheckDigit(DocumentInvalid):
    """The last character does not fit the others: a digit is wrong or two are swapped."""

    code = "kit.document_check_digit"
    reason = "check_digit"


class DocumentBirthDate(DocumentInvalid):
    """The digits of the birth date are no day, or one to come."""

    code = "kit.document_birth_date"
    reason = "birth_date"


class DocumentRegion(DocumentInvalid):
    """The first digits are those of no province."""

    code = "kit.document_region"
    reason = "region"


class DocumentKindMismatch(DocumentInvalid):
    """The number is one of another kind of document; ``params``: ``kind``, ``actual``."""

    code = "kit.document_kind"
    reason = "kind"


class DocumentKindUnknown(DomainError):
    """There is no such kind of document."""

    code = "kit.document_kind_unknown"
    status = 422


class Document(msgspec.Struct, frozen=True, gc=False):
    """A document whose number has passed the check; ``repr`` shows the kind alone."""

    kind: DocumentKind
    number: str
    """Normalised: capitals and digits without spaces."""
    birth_date: date | None = None
    sex: Sex | None = None
    region_code: str | None = None
    """Six digits of the administrative division of the first registration."""

    def __repr__(self) -> str:
        return f"Document(kind={self.kind!r})"


def check(kind: DocumentKind | str, number: str, *, field: str | None = None) -> Document:
    """Return the document; raises a DocumentInvalid or DocumentKindUnknown naming ``field``.

    Full-width and lower-case characters, spaces and hyphens are put right first.
    """
    if type(kind) is not DocumentKind:
        try:
            kind = DocumentKind(kind)
        except ValueError as error:
            raise DocumentKindUnknown(field=field) from error
    if len(number) > _LONGEST_INPUT:
        raise DocumentLength(kind=kind, field=field)
    number = normalise(number)
    if not number:
        raise DocumentLength(kind=kind, field=field)
    if kind in _EIGHTEEN or (kind is _FOREIGN and number[0].isdigit()):
        return _check_18(kind, number, field)
    if kind is _FOREIGN:
        return _check_old_resident(kind, number, field)
    lengths, shape = _PLAIN[kind]
    if len(number) not in lengths:
        raise DocumentLength(kind=kind, field=field)
    if not shape.fullmatch(number):
        raise DocumentCharacters(kind=kind, field=field)
    if kind is DocumentKind.HK_MACAO_PERMIT:
        # The last two digits of the eleven count the renewals; the first nine are the person's.
        number = number[:9]
    return Document(kind, number)


def possible(number: str) -> list[Document]:
    """Return the documents whose number a text may be, one for each kind; none where it is none.

    A card reader or a number pad tells no kind.
    """
    found = []
    for kind in DocumentKind:
        try:
            found.append(check(kind, number))
        except DocumentInvalid:
            continue
    return found


def readings(number: str) -> list[str]:
    """Return the numbers that a text may stand for, the shortest first; none where it is none.

    A permit's number may be part of the text.
    """
    return sorted(dict.fromkeys(document.number for document in possible(number)), key=len)


def normalise(number: str) -> str:
    """Return capitals and half-width characters without spaces and hyphens."""
    if _CLEAN.fullmatch(number):
        # As most numbers come. This is asked for every visitor.
        return number
    if not number.isascii():
        number = unicodedata.normalize("NFKC", number)
    return _NOISE.sub("", number).upper()


def is_shaped_18(number: str) -> bool:
    """Whether a text has the shape of an 18-digit number; it may be mistyped."""
    return _SHAPE_18.fullmatch(normalise(number)) is not None


def check_digit(first_17: str) -> str:
    """Return the 18th character that belongs to 17 digits (GB 11643-1999, ISO 7064 MOD 11-2)."""
    if len(first_17) != len(_WEIGHTS) or not (first_17.isascii() and first_17.isdigit()):
        raise ValueError("A check digit belongs to 17 digits.")
    return _CHECK_DIGITS[_weigh(first_17, _WEIGHTS) % 11]


def kind_of_18(number: str) -> DocumentKind:
    """Return the kind of document that 18 digits belong to, by how they begin."""
    if number[0] == "9":
        return DocumentKind.FOREIGN_PERMANENT_RESIDENT
    if number[:6] in _HMT_REGIONS:
        return DocumentKind.HMT_RESIDENCE_PERMIT
    return DocumentKind.ID_CARD


_FOREIGN = DocumentKind.FOREIGN_PERMANENT_RESIDENT
_EIGHTEEN = frozenset({DocumentKind.ID_CARD, DocumentKind.HMT_RESIDENCE_PERMIT})

_PLAIN: dict[DocumentKind, tuple[frozenset[int] | range, re.Pattern[str]]] = {
    # ICAO 9303 gives nine characters and lets longer numbers run over.
    DocumentKind.PASSPORT: (range(5, 18), re.compile(r"(?=.*[0-9])[A-Z0-9]+")),
    DocumentKind.HK_MACAO_PERMIT: (frozenset({9, 11}), re.compile(r"[HM][0-9]+")),
    # Eight digits since 2015; ten on the booklets before.
    DocumentKind.TAIWAN_PERMIT: (frozenset({8, 10}), re.compile(r"[0-9]+")),
}

_OLD_RESIDENT = re.compile(r"[A-Z]{3}[0-9]{12}")
_OLD_RESIDENT_LENGTH = 15


def _check_18(kind: DocumentKind, number: str, field: str | None) -> Document:
    if len(number) != _DIGITS_18:
        raise DocumentLength(kind=kind, field=field)
    if not _SHAPE_18.fullmatch(number):
        raise DocumentCharacters(kind=kind, field=field)
    region, day, sequence = number[:6], number[6:14], number[14:17]
    actual, known, first = _region(region)
    if not known:
        raise DocumentRegion(kind=kind, field=field)
    birth, second = _birth(kind, day, field)
    if _CHECK_DIGITS[(first + second + _SEQUENCES[sequence]) % 11] != number[17]:
        raise DocumentCheckDigit(kind=kind, field=field)
    # Told last, when the number is known to be right: only then is the kind what was mistaken.
    if actual is not kind:
        raise DocumentKindMismatch(kind=kind, field=field, actual=actual.value)
    return Document(
        kind,
        number,
        birth,
        "male" if sequence[2] in _ODD else "female",
        None if kind is _FOREIGN else region,
    )


# Every visitor's number is checked, so what many numbers share is worked out once: a region and a
# day of birth, each with what its digits add to the sum that the check digit is of.


@lru_cache(maxsize=8192)
def _region(code: str) -> tuple[DocumentKind, bool, int]:
    """The kind of document whose digits begin so, whether there is such a region, its sum."""
    kind = kind_of_18(code)
    known = kind is not DocumentKind.ID_CARD or _PROVINCE.match(code) is not None
    return kind, known, _weigh(code, _WEIGHTS[:6])


@lru_cache(maxsize=32768)
def _day(digits: str) -> tuple[date, int] | None:
    """The day that eight digits say, if somebody can be born on it, and its sum."""
    try:
        birth = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return (birth, _weigh(digits, _WEIGHTS[6:14])) if birth.year >= _FIRST_BIRTH_YEAR else None


def _weigh(digits: str, weights: tuple[int, ...]) -> int:
    return sum(map(mul, map(int, digits), weights))


_SEQUENCES = {f"{n:03}": _weigh(f"{n:03}", _WEIGHTS[14:]) for n in range(1000)}
"""What the three digits add that tell people of one day and region apart."""


def _check_old_resident(kind: DocumentKind, number: str, field: str | None) -> Document:
    """Check three letters of the country, four digits of the place, ``yymmdd``, two digits.

    How its last digit checks the others is not published, so that is left unchecked. Of the two
    centuries the one is taken that makes the person younger than a hundred.
    """
    if len(number) != _OLD_RESIDENT_LENGTH:
        raise DocumentLength(kind=kind, field=field)
    if not _OLD_RESIDENT.fullmatch(number):
        raise DocumentCharacters(kind=kind, field=field)
    day = number[7:13]
    today = clock.today(_HOME)
    recent = f"20{day}" <= f"{today:%Y%m%d}"
    birth, _ = _birth(kind, f"{'20' if recent else '19'}{day}", field)
    return Document(kind, number, birth_date=birth)


def _birth(kind: DocumentKind, digits: str, field: str | None) -> tuple[date, int]:
    found = _day(digits)
    # Of the last century's days nobody need ask the clock.
    if found is None or (found[0].year >= _THIS_CENTURY and found[0] > clock.today(_HOME)):
        raise DocumentBirthDate(kind=kind, field=field)
    return found


def mask(number: str) -> str:
    """Return a document number as it may be shown: ``110*************2X``."""
    head, tail = (3, 2) if len(number) > 7 else (1, 1)  # noqa: PLR2004 (long enough to hide three)
    if len(number) <= head + tail:
        return number[:1] + "*" * (len(number) - 1)
    return number[:head] + "*" * (len(number) - head - tail) + number[-tail:]


def mask_name(name: str) -> str:
    """Return a name as it may be shown: ``张*``, ``欧***``, ``J*** S****``.

    Chinese names keep the first character; of names in an alphabet every word keeps its first.
    """
    if name.isalpha():
        # One word, as most names here are.
        return name[0] + "*" * (len(name) - 1)
    name = name.strip()
    masked = []
    keep = True
    for character in name:
        if character in _NAME_SEPARATORS:
            masked.append(character)
            keep = keep or name[0] < _FIRST_CJK
        else:
            masked.append(character if keep else "*")
            keep = False
    return "".join(masked)


_NAME_SEPARATORS = " -'.·•\u3000"
_FIRST_CJK = "\u2e80"


def age_on(birth: date, day: date) -> int:
    """Return the full years of somebody on a day; negative before the birth.

    A year is full on the birthday; for one born on 29 February, on 1 March of common years.
    """
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
