import ast
import datetime as dt
import importlib
import re
from importlib import resources
from pathlib import Path

import pytest

from shanmen.kit.errors import Overloaded, all_errors
from shanmen.web import i18n
from shanmen.web.i18n import LOCALES, MissingTextError

PACKAGE = Path(str(resources.files("shanmen")))
MODULES = sorted(path.parent.name for path in PACKAGE.glob("*/locale"))
LITERAL_KEY = re.compile(r"""\bt\(\s*(["'])([a-z0-9_.]+)\1\s*[,)]""")
# Arguments of the kit's functions that are keys of texts.
KEY_ARGUMENTS = {"flash", "label_key"}


@pytest.mark.parametrize("module", MODULES)
def test_both_languages_have_the_same_texts_with_the_same_placeholders(module):
    chinese, english = (i18n.catalog(module, locale) for locale in LOCALES)
    assert sorted(chinese) == sorted(english)
    for key, text in chinese.items():
        assert i18n.placeholders(text) == i18n.placeholders(english[key]), key
        assert text.strip(), key
        assert english[key].strip(), key


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.glob("*/templates/**/*.html")), ids=lambda p: p.name
)
def test_every_text_that_a_template_names_exists(path):
    source = path.read_text(encoding="utf-8")
    missing = {match[2] for match in LITERAL_KEY.finditer(source)} - set(i18n.catalogs("en"))
    assert not missing, f"{path.relative_to(PACKAGE)} names texts that nobody wrote: {missing}"


def test_every_text_that_code_names_exists():
    missing = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.keyword)
                and node.arg in KEY_ARGUMENTS
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
                and not i18n.has_text("en", node.value.value)
            ):
                missing.add(f"{path.relative_to(PACKAGE)}: {node.value.value}")
    assert not missing


def test_every_error_has_text_in_both_languages():
    for path in PACKAGE.rglob("*.py"):
        if "DomainError" in path.read_text(encoding="utf-8"):
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            importlib.import_module(".".join(parts).removesuffix(".__init__"))
    errors = {code for code, kind in all_errors().items() if kind.__module__.startswith("shanmen.")}
    assert "kit.bad_input" in errors
    missing = []
    for code in errors:
        module, _, name = code.partition(".")
        key = f"{module}.error.{name}"
        missing += [f"{key} ({locale})" for locale in LOCALES if not i18n.has_text(locale, key)]
    assert not missing


def test_a_missing_text_names_its_key():
    with pytest.raises(MissingTextError, match=r"web\.nothing"):
        i18n.t("en", "web.nothing")
    with pytest.raises(MissingTextError, match=r"web\.page_of.*\{pages\}"):
        i18n.t("en", "web.page_of", page=1)


def test_an_error_says_what_happened_and_what_to_do():
    title, follow = i18n.error_text("en", Overloaded(retry_after=3))
    assert title
    assert follow is None or isinstance(follow, str)


@pytest.mark.parametrize(
    ("query", "cookie", "header", "expected"),
    [
        (None, None, None, "zh-CN"),
        ("en", "zh-CN", "zh-CN", "en"),
        (None, "en", "zh-CN", "en"),
        (None, "nonsense", "en-GB,en;q=0.9", "en"),
        (None, None, "fr,de;q=0.9", "zh-CN"),
        (None, None, "fr,en;q=0.4,zh;q=0.6", "zh-CN"),
        (None, None, "zh-TW", "zh-CN"),
        (None, None, "en;q=0, zh", "zh-CN"),
        (None, None, "en;q=1.2.3", "zh-CN"),
        (None, None, "*" * 10_000, "zh-CN"),
    ],
)
def test_language_is_what_was_asked_for_then_chosen_then_preferred(query, cookie, header, expected):
    assert i18n.pick_locale(query, cookie, header) == expected


def test_bilingual_names_fall_back():
    assert i18n.localized({"zh-CN": "南门", "en": "South gate"}, "en") == "South gate"
    assert i18n.localized({"zh-CN": "南门", "en": ""}, "en") == "南门"
    assert i18n.localized({"fr": "Porte sud"}, "en") == "Porte sud"
    assert i18n.localized("南门", "en") == "南门"
    assert i18n.localized(None, "en") == ""


def test_money_is_written_as_the_reader_writes_it():
    assert i18n.format_money(12000, "zh-CN") == "¥120.00"
    assert i18n.format_money(12000, "en") == "CN¥120.00"
    assert i18n.format_money(-5, "zh-CN") == "-¥0.05"
    assert i18n.format_money(123456789, "zh-CN") == "¥1,234,567.89"
    assert i18n.format_money(12000, "en", short=True) == "¥120"
    assert i18n.format_money(9950, "en", short=True) == "¥99.50"


def test_days_and_times():
    day = dt.date(2026, 10, 1)
    moment = dt.datetime(2026, 10, 1, 0, 30, tzinfo=dt.UTC)
    assert i18n.format_date(day, "zh-CN") == "2026年10月1日"
    assert i18n.format_date(day, "en") == "Oct 1, 2026"
    assert i18n.format_day(day, "zh-CN") == "10月1日周四"
    assert i18n.format_weekday(day, "en") == "Thu"
    assert i18n.format_month(day, "en") == "October 2026"
    assert i18n.format_time(moment, "zh-CN", "Asia/Shanghai") == "08:30"
    assert i18n.format_datetime(moment, "zh-CN", "Asia/Shanghai") == "2026年10月1日 08:30"
    assert i18n.format_duration(1500, "en", direction=True) == "in 25 minutes"
    assert i18n.format_duration(dt.timedelta(minutes=25), "zh-CN") == "25分钟"
    assert i18n.format_number(12847, "zh-CN") == "12,847"
    assert i18n.format_percent(0.25, "en") == "25%"
