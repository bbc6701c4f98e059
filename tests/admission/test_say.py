"""Decisions in words, in both languages."""

import pytest

from shanmen.admission.rules import Reason
from shanmen.admission.say import answer, texts
from shanmen.tickets.token import SECOND_FACTOR
from shanmen.web.i18n import LOCALES, has_text
from tests.admission.conftest import Gates


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("reason", list(Reason))
def test_every_refusal_has_a_sentence_and_a_next_step(locale, reason) -> None:
    assert has_text(locale, f"admission.reason.{reason}")
    assert has_text(locale, f"admission.tell.{reason}")
    # In short, for the console's live lanes and the day's figures.
    assert has_text(locale, f"admission.short.{reason}")
    assert has_text(locale, f"insight.refusal.{reason}")


async def test_what_a_guard_reads_out(gates: Gates) -> None:
    made = await gates.ticket()
    early = await gates.scan(made.code, at=gates.at(9, 20))
    assert texts(early, "en") == (
        "Slot 10:00–12:00, opens in 25 min.",
        "Please come back in 25 minutes.",
    )
    assert texts(early, "zh-CN") == ("预约时段10:00–12:00，25分钟后开放。", "请25分钟后再来。")
    await gates.scan(made.code, at=gates.at(10, 12))
    used = await gates.scan(made.code, lane_id=gates.west)
    assert texts(used, "en")[0] == "Already used at 10:12 at East gate."
    assert texts(used, "zh-CN")[0] == "已使用：今天10:12，东门。"
    later = await gates.scan(made.code, at=gates.at(9, days=1))
    assert "on " in texts(later, "en")[0]
    assert "10:12" in texts(later, "en")[0]
    tomorrow = await gates.ticket(shift_days=1)
    view = await gates.scan(tomorrow.code)
    assert texts(view, "en")[0] == "Valid tomorrow, 10:00–12:00."
    cable = await gates.ticket(zones=0b10)
    view = await gates.scan(cable.code)
    assert texts(view, "zh-CN") == ("此处不可用。可用区域：索道。", "请前往：索道。")


async def test_a_ticket_used_before_this_system_knew_it(gates: Gates) -> None:
    made = await gates.ticket(entered=1, status="used")
    view = await gates.scan(made.code)
    assert texts(view, "en")[0] == "Already used."


async def test_every_refusal_can_be_said(gates: Gates) -> None:
    tickets = {
        "ok": await gates.ticket("family"),
        "old": await gates.ticket(generation=0),
        "cable": await gates.ticket(zones=0b10),
        "factor": await gates.ticket(flags=SECOND_FACTOR),
        "refunded": await gates.ticket(status="refunded"),
        "home": await gates.ticket(home=2),
    }
    for locale in LOCALES:
        for made in tickets.values():
            for at in (gates.at(5), gates.at(11), gates.at(20), gates.at(11, days=2)):
                view = await gates.scan(made.code, at=at, persons=9)
                sentence, tell = texts(view, locale)
                assert sentence
                assert tell
                assert "{" not in sentence + tell


async def test_the_answer_for_the_page(gates: Gates) -> None:
    made = await gates.ticket("family")
    shown = answer(await gates.scan(made.code, persons=2), "en")
    assert (shown.kind, shown.word, shown.persons, shown.persons_left) == ("admit", "Admit", 2, 1)
    assert (shown.sentence, shown.tell, shown.slot) == ("1 may still enter", "", "10:00–12:00")
    assert (shown.time, shown.names, shown.can_undo) == ("11:00:00", ["张**"] * 3, True)
    factor = await gates.ticket(flags=SECOND_FACTOR)
    asked = answer(await gates.scan(factor.code), "zh-CN")
    assert (asked.kind, asked.needs_document, asked.override_allowed) == ("refuse", True, True)
