"""Telephone numbers: kept in the form of E.164 (``+8613812341234``), shown masked.

Plain rules in place of a numbering-plan library: they are exact for mobile numbers of the
mainland, and for the rest they keep out what can be no number at all.
"""

import re
import unicodedata

from shanmen.kit.errors import DomainError

MAINLAND = "+86"
_NOISE = re.compile(r"[\s\-().\u2010-\u2015\u200b-\u200f\ufeff]+")
_LONGEST_INPUT = 40
_MOBILE = re.compile(r"\+861[3-9][0-9]{9}")
_PLAIN_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_RULES = {
    # Mobile numbers; landlines without the 0 of the area code: 10, 2x or three digits before it.
    "+86": re.compile(r"1[3-9][0-9]{9}|(?:10|2[0-9])[0-9]{8}|[3-9][0-9]{2}[0-9]{7,8}"),
    "+852": re.compile(r"[2-9][0-9]{7}"),
    "+853": re.compile(r"[268][0-9]{7}"),
    "+886": re.compile(r"9[0-9]{8}|[2-8][0-9]{7,8}"),
}
_FOREIGN = re.compile(r"\+[1-9][0-9]{6,14}")


class PhoneInvalid(DomainError):
    """It is no telephone number; the number itself is never part of the error."""

    code = "kit.phone_invalid"
    status = 422


def normalise(number: str, *, field: str | None = None) -> str:
    """Return a number in the form of E.164; raises PhoneInvalid.

    Without a country code it is a mainland number: eleven digits of a mobile, or a landline with
    the 0 of its area code. ``00`` in front counts as ``+``.
    """
    if _PLAIN_MOBILE.fullmatch(number):
        # As most numbers come. This is asked for every order.
        return MAINLAND + number
    if len(number) > _LONGEST_INPUT:
        raise PhoneInvalid(field=field)
    if not number.isascii():
        number = unicodedata.normalize("NFKC", number)
    number = _with_country(_NOISE.sub("", number))
    for country, rule in _RULES.items():
        if number.startswith(country):
            national = number[len(country) :].removeprefix("0")
            if not rule.fullmatch(national):
                raise PhoneInvalid(field=field)
            return country + national
    if not _FOREIGN.fullmatch(number):
        raise PhoneInvalid(field=field)
    return number


def _with_country(number: str) -> str:
    if number.startswith("00"):
        return f"+{number[2:]}"
    if number.startswith("0"):
        return MAINLAND + number[1:]
    if number.startswith("+"):
        return number
    # 86 in front of a mobile number is a country code that lost its plus.
    return f"+{number}" if _MOBILE.fullmatch(f"+{number}") else MAINLAND + number


def is_mainland_mobile(number: str) -> bool:
    """Say whether a normalised number is a mainland mobile, which text messages reach."""
    return _MOBILE.fullmatch(number) is not None


def national(number: str) -> str:
    """Return a normalised number as people here write it: mainland mobiles without ``+86``."""
    return number.removeprefix(MAINLAND) if is_mainland_mobile(number) else number


def mask(number: str) -> str:
    """Return a number as it may be shown: ``138****1234``, ``+852****5678``."""
    if is_mainland_mobile(number):
        return f"{number[3:6]}****{number[-4:]}"
    country = next((code for code in _RULES if number.startswith(code)), number[:3])
    shown = min(4, max(0, len(number) - len(country) - 3))
    return f"{country}****{number[len(number) - shown :]}"
