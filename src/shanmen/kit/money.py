"""Arithmetic on money, which is always a whole number of fen.

How an amount is written for people is the business of the pages; how it is rounded is decided
here, once: shares are split so that they add up exactly, and a percentage is rounded to the
nearest fen, half a fen away from zero (四舍五入).
"""

import re
import unicodedata

from shanmen.kit.errors import DomainError

FEN_PER_YUAN = 100
BASIS_POINTS = 10_000
MAX_FEN = 10**15
"""Ten trillion yuan: what is beyond is a mistake, and all below fits a bigint even in sums."""

_LONGEST_INPUT = 40
_YUAN = re.compile(
    r"(?P<sign>-?)[¥￥]?(?P<yuan>[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.(?P<fen>[0-9]{1,2}))?元?"
)


class AmountInvalid(DomainError):
    """It is no amount of money in yuan with at most two decimals."""

    code = "kit.amount_invalid"
    status = 422


def parse(text: str, *, field: str | None = None, negative: bool = False) -> int:
    """Return the fen of an amount typed in yuan: ``12.50`` is 1250; raises AmountInvalid.

    A sign for the currency, commas between thousands and full-width characters are understood. An
    amount below zero is refused unless ``negative``.
    """
    if len(text) > _LONGEST_INPUT:
        raise AmountInvalid(field=field)
    found = _YUAN.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if found is None or (found["sign"] and not negative):
        raise AmountInvalid(field=field)
    fen = int(found["yuan"].replace(",", "")) * FEN_PER_YUAN + int(
        (found["fen"] or "0").ljust(2, "0")
    )
    if fen > MAX_FEN:
        raise AmountInvalid(field=field)
    return -fen if found["sign"] else fen


def share(amount_fen: int, basis_points: int) -> int:
    """Return so many hundredths of a percent of an amount, half a fen rounded away from zero."""
    product = amount_fen * basis_points
    rounded = (abs(product) * 2 + BASIS_POINTS) // (2 * BASIS_POINTS)
    return -rounded if product < 0 else rounded
