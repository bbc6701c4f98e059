"""Texts of the guard's page."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shanmen.admission import say
from shanmen.admission.protocol import Answer
from shanmen.admission.rules import Reason
from shanmen.admission.schemas import DecisionView
from shanmen.edge.page import words
from shanmen.edge.shown import Shown
from shanmen.kit import ids
from tests.edge.page.conftest import Guard
from tests.edge.places import setup_of
from tests.edge.standin_agent import LANES, lane_state

FOLDER = Path(words.__file__).parent / "locale"
NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def refused(reason: str, **params: object) -> Shown:
    answer = Answer(
        scan_id=ids.new_id(),
        outcome="refused",
        persons=0,
        persons_left=1,
        party_size=1,
        reason=reason,
        params=params,
    )
    at = int(NOW.timestamp() * 1000)
    return Shown(lane_id=LANES[0], at=at, what="answer", answer=answer)


def test_both_languages_have_the_same_texts():
    keys = [set(words.texts(locale)) for locale in words.LOCALES]
    assert keys[0] == keys[1]
    raw = [tomllib.loads((FOLDER / f"{x}.toml").read_text("utf-8")) for x in words.LOCALES]
    assert list(raw[0]) == list(raw[1])


@pytest.mark.parametrize("locale", words.LOCALES)
@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_explained(reason, locale):
    shown = refused(reason)
    said = words.put(shown, setup_of([lane_state(1)]), locale)
    assert said.kind == "refuse"
    assert said.sentence
    assert said.sentence != reason
    assert said.tell


@pytest.mark.parametrize("at", ["2026-11-21T23:30:00Z", datetime(2026, 11, 21, 23, 30, tzinfo=UTC)])
def test_instants_come_as_text_or_as_instants(at):
    shown = refused("already_used", at=at, place={"en": "South"})
    said = words.put(shown, setup_of([lane_state(1)]), "en")
    assert said.sentence == "Already used at 07:30 at South."


def test_days_and_slots_are_written_as_people_say_them():
    params = {"day": "2026-11-23", "starts": "2026-11-23T01:00:00Z", "ends": "2026-11-23T16:00:00Z"}
    setup = setup_of([lane_state(1)])
    assert (
        "Mon, Nov 23, 09:00–24:00"
        in words.put(refused("other_day", **params), setup, "en").sentence
    )
    assert "11月23日周一" in words.put(refused("other_day", **params), setup, "zh-CN").sentence


def test_a_reason_of_a_newer_server_is_at_least_shown():
    said = words.put(refused("on_the_moon"), None, "en")
    assert said.sentence == "The gate said: on_the_moon."


@pytest.mark.parametrize(
    ("query", "accept", "locale"),
    [
        ("?lang=en", "zh-CN", "en"),
        ("", "en-GB,en;q=0.9", "en"),
        ("", "zh;q=0.9", "zh-CN"),
        ("", "fr", "zh-CN"),
        ("?lang=xx", "", "zh-CN"),
    ],
)
async def test_the_language(guard: Guard, query, accept, locale):
    page = await guard.ask("GET", f"/{query}", accept_language=accept)
    assert f'<html lang="{locale}">' in page.body.decode()


@pytest.mark.parametrize("locale", words.LOCALES)
@pytest.mark.parametrize("reason", list(Reason))
def test_a_gate_says_the_same_as_the_server(reason, locale):
    """The page of a gate has no code of the server's, and the very words of it."""
    slot = {"starts": "2026-11-23T01:00:00Z", "ends": "2026-11-23T16:00:00Z"}
    place = {"zh-CN": "南门", "en": "South"}
    params = {
        "at": "2026-11-21T23:30:00Z",
        "day": "2026-11-23",
        "last": "2026-11-21",
        "place": place,
        "here": place,
        "places": [place, {"zh-CN": "索道", "en": "Cableway"}],
        "persons": 3,
        "left": 2,
        "minutes": 12,
        "seconds": 9,
        "limit": 500,
        **slot,
    }
    view = DecisionView(
        scan_id=ids.new_id(),
        at=NOW,
        lane_id=LANES[0],
        entrance_id=LANES[0],
        entrance_name=place,
        timezone="Asia/Shanghai",
        direction="in",
        method="qr",
        outcome="refused",
        persons=0,
        persons_left=1,
        reason=reason,
        params=params,
    )
    answer = refused(reason, **params).answer
    assert answer
    own = words.explain(answer, locale, at=NOW, timezone="Asia/Shanghai")
    assert own == say.explain(view, locale)
    assert "{" not in "".join(own)
