"""Text, dates and money in the languages of the product.

Each module keeps its text in ``locale/<locale>.toml``; nested tables become dotted keys
under the module's name, so ``pay_now`` in ``orders/locale/en.toml`` is ``orders.pay_now``.
Placeholders are written ``{name}``.
"""

import datetime as dt
import decimal
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from string import Formatter
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

from babel import Locale as BabelLocale
from babel import dates, numbers

__all__ = [
    "DEFAULT_LOCALE",
    "LOCALES",
    "Locale",
    "MissingTextError",
    "catalog",
    "catalogs",
    "error_text",
    "format_date",
    "format_datetime",
    "format_day",
    "format_duration",
    "format_money",
    "format_month",
    "format_number",
    "format_percent",
    "format_time",
    "format_weekday",
    "has_text",
    "is_locale",
    "localized",
    "pick_locale",
    "t",
]

Locale = Literal["zh-CN", "en"]

LOCALES: Final[tuple[Locale, ...]] = ("zh-CN", "en")
DEFAULT_LOCALE: Final[Locale] = "zh-CN"
LOCALE_NAMES: Final[Mapping[Locale, str]] = {"zh-CN": "简体中文", "en": "English"}

_FORMATTER: Final = Formatter()
_LANGUAGE_RANGE: Final = re.compile(
    r"^\s*([a-zA-Z*-]+[a-zA-Z0-9-]*)\s*(?:;\s*q\s*=\s*([0-9.]+))?\s*$"
)
# A browser may send any number of languages; nobody reads more than a few.
_MAX_LANGUAGE_RANGES: Final = 20


class MissingTextError(KeyError):
    """A key has no text, or its text needs a placeholder that was not given."""

    def __str__(self) -> str:
        """Return the sentence itself; ``KeyError`` would quote it."""
        return str(self.args[0])


class CodedError(Protocol):
    """What :func:`error_text` needs to know of a domain error."""

    @property
    def code(self) -> str:
        """The error's code, ``<module>.<name>``."""

    @property
    def params(self) -> Mapping[str, object]:
        """The values for the placeholders of its text."""


def is_locale(value: str | None) -> bool:
    """Tell whether ``value`` is exactly one of the product's locales."""
    return value in LOCALES


def _flatten(table: Mapping[str, object], prefix: str) -> Iterable[tuple[str, str]]:
    for key, value in table.items():
        name = f"{prefix}.{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, name)
        elif isinstance(value, str):
            yield name, value
        else:
            message = f"text {name} must be a string, not {type(value).__name__}"
            raise TypeError(message)


def _modules() -> list[Traversable]:
    root = resources.files("shanmen")
    return sorted(
        (entry for entry in root.iterdir() if entry.is_dir()), key=lambda entry: entry.name
    )


@cache
def catalog(module: str, locale: Locale) -> Mapping[str, str]:
    """Return one module's text, by full key; empty when the module has none."""
    source = resources.files("shanmen") / module / "locale" / f"{locale}.toml"
    if not source.is_file():
        return {}
    return dict(_flatten(tomllib.loads(source.read_text(encoding="utf-8")), module))


@cache
def catalogs(locale: Locale) -> Mapping[str, str]:
    """Return every module's text in ``locale``, by full key."""
    merged: dict[str, str] = {}
    for module in _modules():
        merged.update(catalog(module.name, locale))
    return merged


def reload_catalogs() -> None:
    """Forget the text that was read, so that a developer sees an edit at once."""
    catalog.cache_clear()
    catalogs.cache_clear()


def has_text(locale: Locale, key: str) -> bool:
    """Tell whether ``key`` has a text in ``locale``."""
    return key in catalogs(locale)


def t(locale: Locale, key: str, /, **params: object) -> str:
    """Return the text of ``key`` with its placeholders filled.

    Raises:
        MissingTextError: the key or a placeholder's value is missing. A page with a hole
            in it is a bug that must show in a test, not a page with a key in it.
    """
    text = catalogs(locale).get(key)
    if text is None:
        message = f"no text for {key!r} in {locale}"
        raise MissingTextError(message)
    if "{" not in text:
        return text
    try:
        return text.format_map(params)
    except (KeyError, IndexError) as error:
        message = f"text {key!r} in {locale} needs {{{error.args[0]}}}"
        raise MissingTextError(message) from error


def placeholders(text: str) -> set[str]:
    """Return the names of the placeholders in a text."""
    return {name for _, name, _, _ in _FORMATTER.parse(text) if name}


def error_text(locale: Locale, error: CodedError) -> tuple[str, str | None]:
    """Return what a coded error says and the next step for the reader, if there is one.

    The code ``inventory.sold_out`` reads ``inventory.error.sold_out`` and, optionally,
    ``inventory.error.sold_out_next``. What is counted per something (the parameter ``per``) may
    have a text of its own: ``orders.error.document_limit_day``. A parameter that is given in each
    language is said in the reader's.
    """
    module, _, name = error.code.partition(".")
    key = f"{module}.error.{name}"
    follow = f"{key}_next"
    params = {
        name: localized(value, locale) if isinstance(value, Mapping) else value
        for name, value in error.params.items()
    }
    special = f"{key}_{params.get('per')}"
    title = t(locale, special if has_text(locale, special) else key, **params)
    return title, t(locale, follow, **params) if has_text(locale, follow) else None


def localized(names: Mapping[str, str] | str | None, locale: Locale) -> str:
    """Return the name in ``locale``, else in the default locale, else in any.

    ``names`` is a bilingual column (``{"zh-CN": …, "en": …}``); a plain string is
    returned as it is, nothing as an empty string.
    """
    if not names:
        return ""
    if isinstance(names, str):
        return names
    return (
        names.get(locale)
        or names.get(DEFAULT_LOCALE)
        or next((name for name in names.values() if name), "")
    )


def _closest(tag: str) -> Locale | None:
    primary = tag.strip().replace("_", "-").split("-", 1)[0].lower()
    return {"zh": "zh-CN", "en": "en"}.get(primary)  # type: ignore[return-value]


def _ranges(header: str) -> list[str]:
    weighted: list[tuple[float, str]] = []
    for part in header.split(",")[:_MAX_LANGUAGE_RANGES]:
        if match := _LANGUAGE_RANGE.match(part):
            try:
                quality = float(match[2]) if match[2] else 1.0
            except ValueError:
                continue
            if quality > 0:
                weighted.append((quality, match[1]))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]


def pick_locale(query: str | None, cookie: str | None, accept_language: str | None) -> Locale:
    """Choose the language: what was asked for, what was chosen before, what the browser prefers."""
    for asked in (query, cookie):
        if asked and (locale := _closest(asked)):
            return locale
    return _from_header(accept_language or "")


@lru_cache(maxsize=512)
def _from_header(header: str) -> Locale:
    for tag in _ranges(header):
        if locale := _closest(tag):
            return locale
    return DEFAULT_LOCALE


@cache
def babel_locale(locale: Locale) -> BabelLocale:
    """Return Babel's locale."""
    return BabelLocale.parse(locale.replace("-", "_"))


@lru_cache(maxsize=4096)
def format_money(
    amount_fen: int, locale: Locale, *, short: bool = False, currency: str = "CNY"
) -> str:
    """Write an amount given in fen (1/100 of ``currency``): ¥120.00, CN¥120.00 in English.

    ``short`` leaves out empty cents and the country before the sign, for narrow places where
    the amount stands in full elsewhere: ¥120.
    """
    amount = decimal.Decimal(amount_fen).scaleb(-2)
    if not short:
        return numbers.format_currency(amount, currency, locale=babel_locale(locale))
    pattern = "¤#,##0.00" if amount_fen % 100 else "¤#,##0"
    zh = babel_locale(DEFAULT_LOCALE)
    return numbers.format_currency(
        amount, currency, format=pattern, currency_digits=False, locale=zh
    )


@lru_cache(maxsize=4096)
def format_number(value: float, locale: Locale) -> str:
    """Write a number with the locale's separators."""
    return numbers.format_decimal(value, locale=babel_locale(locale))


@lru_cache(maxsize=1024)
def format_percent(ratio: float, locale: Locale) -> str:
    """Write a ratio (0.25) as a percentage (25%)."""
    return numbers.format_percent(ratio, locale=babel_locale(locale))


def _at(moment: dt.datetime, timezone: str | ZoneInfo | None) -> dt.datetime:
    if timezone is None:
        return moment
    zone = ZoneInfo(timezone) if isinstance(timezone, str) else timezone
    return moment.astimezone(zone)


@lru_cache(maxsize=4096)
def format_date(day: dt.date, locale: Locale) -> str:
    """Write a day with its year: 2026年10月1日, Oct 1, 2026."""
    pattern = "long" if locale == "zh-CN" else "medium"
    return dates.format_date(day, format=pattern, locale=babel_locale(locale))


@lru_cache(maxsize=4096)
def format_day(day: dt.date, locale: Locale) -> str:
    """Write a near day with its weekday and without its year: 10月1日周四, Thu, Oct 1."""
    return dates.format_skeleton("MMMEd", day, locale=babel_locale(locale))


@lru_cache(maxsize=256)
def format_month(day: dt.date, locale: Locale) -> str:
    """Write a month with its year: 2026年10月, October 2026."""
    return dates.format_skeleton("yMMMM", day, locale=babel_locale(locale))


@lru_cache(maxsize=1024)
def format_weekday(day: dt.date, locale: Locale, width: str = "abbreviated") -> str:
    """Write the day of the week: 周四, Thu."""
    return weekday_name(day.weekday(), locale, width)


@lru_cache(maxsize=64)
def weekday_name(index: int, locale: Locale, width: str = "abbreviated") -> str:
    """Return the name of a weekday, 0 for Monday; ``width`` is wide, abbreviated or narrow."""
    names = dates.get_day_names(width, context="stand-alone", locale=babel_locale(locale))  # type: ignore[arg-type]
    return str(names[index])


def format_time(
    moment: dt.time | dt.datetime, locale: Locale, timezone: str | ZoneInfo | None = None
) -> str:
    """Write a time of day on the 24-hour clock, as tickets and gates do: 08:30."""
    del locale  # Both languages write it the same way.
    if isinstance(moment, dt.datetime):
        moment = _at(moment, timezone)
    return f"{moment.hour:02d}:{moment.minute:02d}"


def format_datetime(
    moment: dt.datetime, locale: Locale, timezone: str | ZoneInfo | None = None
) -> str:
    """Write a moment as a date and a time, in ``timezone`` when one is given."""
    local = _at(moment, timezone)
    return f"{format_date(local.date(), locale)} {format_time(local, locale)}"


def format_duration(span: dt.timedelta | float, locale: Locale, *, direction: bool = False) -> str:
    """Write a span (a timedelta or seconds) in its largest unit: 25分钟, 25 minutes.

    With ``direction`` it is written relative to now: 25分钟后, in 25 minutes.
    """
    delta = span if isinstance(span, dt.timedelta) else dt.timedelta(seconds=span)
    return dates.format_timedelta(
        delta,
        granularity="second",
        threshold=1.5,
        add_direction=direction,
        format="long",
        locale=babel_locale(locale),
    )
