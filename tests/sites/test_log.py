"""The audit log speaks the reader's language."""

import re

import pytest

from shanmen.sites.pages.log import value_text
from shanmen.web.i18n import LOCALES, Locale, has_text
from tests.tidy.tree import PACKAGE, named


@pytest.mark.parametrize("locale", LOCALES)
def test_every_kind_of_thing_has_a_name(locale: Locale):
    code = "".join(path.read_text() for path in named(".py", under=PACKAGE))
    kinds = set(re.findall(r'\bentity="(\w+)"', code))
    assert {"order", "ticket_type", "gate_device"} <= kinds
    assert {kind for kind in kinds if not has_text(locale, f"audit.entity.{kind}")} == set()


def test_lists_and_what_is_in_them_are_written_as_the_reader_writes():
    slots = [{"starts": "08:00", "capacity": 40}, {"starts": "10:00", "capacity": 40}]
    assert value_text("en", slots) == "Starts: 08:00; Places: 40, Starts: 10:00; Places: 40"
    assert value_text("zh-CN", slots) == "开始: 08:00; 名额: 40、开始: 10:00; 名额: 40"
