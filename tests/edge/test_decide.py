"""Decisions that the gate takes alone: from its store, from the code, from documents."""

import asyncio
from datetime import time, timedelta

import pytest
from msgspec import structs

from shanmen.admission.protocol import Answer, Rules, TypeInfo, document_mark
from shanmen.edge.agent import Agent
from shanmen.edge.page import words
from shanmen.kit import clock
from shanmen.kit.clock import Simulated
from shanmen.kit.days import DayKind
from shanmen.kit.hours import Window
from shanmen.tickets import token
from tests.edge.conftest import Gates
from tests.support.gate_server import (
    ADULT,
    CHILD,
    DOCUMENT_KEY,
    ENTRANCE,
    LANES,
    START,
    GateServer,
    ms,
)
from tests.support.sold import Ticket

ONE, TWO, BOTH = LANES
CARD = "11010119900307002X"
OTHER_CARD = "110101199003070038"


@pytest.fixture
async def alone(agent: Agent, server: GateServer) -> Agent:
    """A gate that has lost its server."""
    server.down = True
    return agent


async def told(gates: Gates, **sale: object) -> tuple[Agent, Ticket]:
    """A gate that has heard of one ticket and then lost its server."""
    ticket = gates.server.sell(**sale)  # type: ignore[arg-type]
    agent = await gates.ready()
    gates.server.down = True
    return agent, ticket


def refused(answer: Answer, reason: str) -> None:
    assert (answer.outcome, answer.reason) == ("refused", reason)


async def test_a_known_ticket_enters_once(gates):
    agent, ticket = await told(gates, documents=(CARD,), names=("张*",))
    first = await agent.scan(ONE, ticket.text)
    assert (first.outcome, first.persons, first.names) == ("admitted", 1, ["张*"])
    assert first.ticket_number == ticket.row.number
    again = await agent.scan(TWO, ticket.text)
    refused(again, "already_used")
    assert again.params["place"] == {"zh-CN": "南门", "en": "South Gate"}


async def test_sold_after_the_gate_went_offline(alone, server):
    ticket = server.sell(tell=False, party=3)
    first = await alone.scan(ONE, ticket.text, persons=2)
    assert (first.outcome, first.persons, first.persons_left) == ("admitted", 2, 1)
    assert (await alone.scan(TWO, ticket.text)).persons == 1
    refused(await alone.scan(ONE, ticket.text), "all_in")


async def test_a_moving_code_of_a_ticket_sold_after_the_gate_went_offline(alone, server):
    ticket = server.sell(tell=False, rotating_code=True)
    assert (await alone.scan(ONE, ticket.code(clock.now()))).outcome == "admitted"


async def test_a_screenshot_older_than_a_minute_and_a_half(alone, server, now: Simulated):
    ticket = server.sell(tell=False, rotating_code=True)
    picture = ticket.code(clock.now())
    now.advance(91)
    refused(await alone.scan(ONE, picture), "code_stale")
    # A document of somebody else helps nobody to another's picture.
    refused(await alone.scan(ONE, picture, document=CARD), "code_stale")
    assert (await alone.scan(ONE, ticket.code(clock.now()))).outcome == "admitted"


async def test_a_phone_whose_clock_is_fast_is_told_so(alone, server):
    ticket = server.sell(tell=False, rotating_code=True)
    later = ticket.code(clock.now() + timedelta(minutes=3))
    refused(await alone.scan(ONE, later), "code_ahead")
    refused(await alone.scan(ONE, later, document=CARD), "code_ahead")


async def test_the_gates_own_clock_may_be_off(gates, server, now: Simulated):
    server.clock_ahead = timedelta(minutes=-9)
    ticket = server.sell(rotating_code=True)
    agent = await gates.ready()
    server.down = True
    true_time = clock.now() - timedelta(minutes=9)
    assert agent.status().skew_ms == 9 * 60_000
    # The slot has not begun by the server's clock, but is within the grace.
    assert (await agent.scan(ONE, ticket.code(true_time))).outcome == "admitted"


async def test_a_code_without_its_moving_part_needs_a_document(gates):
    agent, ticket = await told(gates, rotating_code=True, documents=(CARD,), names=("李*",))
    refused(await agent.scan(ONE, ticket.text), "document_required")
    refused(await agent.scan(ONE, ticket.text, document=OTHER_CARD), "document_mismatch")
    shown = await agent.scan(ONE, ticket.text, document=CARD.lower())
    assert (shown.outcome, shown.names) == ("admitted", ["李*"])


async def test_paper_with_a_document_of_a_ticket_nobody_told_of(alone, server):
    ticket = server.sell(tell=False, second_factor=True)
    refused(await alone.scan(ONE, ticket.text), "document_required")
    assert (await alone.scan(ONE, ticket.text, document=CARD)).outcome == "admitted"


async def test_a_document_finds_its_ticket(gates):
    agent, ticket = await told(gates, documents=(CARD,), names=("王*",))
    answer = await agent.scan(ONE, CARD)
    assert (answer.outcome, answer.names) == ("admitted", ["王*"])
    assert answer.ticket_id == ticket.id
    refused(await agent.scan(ONE, OTHER_CARD), "no_ticket_today")


async def test_a_document_picks_the_ticket_of_now(gates, server):
    server.sell(starts=START + timedelta(days=1), documents=(CARD,))
    agent, ticket = await told(gates, documents=(CARD,))
    assert (await agent.scan(ONE, CARD)).ticket_id == ticket.id


async def test_the_same_document_not_again_within_seconds(gates, server, now: Simulated):
    server.sell(documents=(CARD,))
    agent, _ = await told(gates, documents=(CARD,))
    assert (await agent.scan(ONE, CARD)).outcome == "admitted"
    now.advance(14)
    refused(await agent.scan(TWO, CARD), "too_soon")
    refused(await agent.scan(TWO, CARD, persons=1), "too_soon")
    now.advance(1)
    assert (await agent.scan(TWO, CARD)).outcome == "admitted"


async def test_a_typed_number(gates):
    agent, ticket = await told(gates)
    typed = ticket.row.number.lower().replace("-", "")
    answer = await agent.scan(ONE, typed, kind="number")
    assert (answer.outcome, answer.names) == ("admitted", [])


async def test_a_forged_code_and_no_code_at_all(gates, server):
    agent, ticket = await told(gates)
    refused(await agent.scan(ONE, GateServer().sell().text), "bad_signature")
    refused(await agent.scan(ONE, "https://example.com"), "unreadable")
    for torn in (ticket.text[:-1], ticket.text[:40], "SM1GARBAGE"):
        refused(await agent.scan(ONE, torn), "unreadable")


async def test_a_mistyped_document_is_called_so(gates):
    agent, _ = await told(gates)
    wrong = CARD[:-1] + ("0" if CARD[-1] == "X" else "X")
    for kind in ("auto", "document"):
        refused(await agent.scan(ONE, wrong, kind=kind), "document_mistyped")
    refused(await agent.scan(ONE, "", document=wrong), "document_mistyped")


async def test_a_replaced_generation(gates, server):
    agent, old = await told(gates)
    new = server.sell(
        ticket_id=old.body.ticket_id, generation=1, starts=START + timedelta(hours=0), tell=False
    )
    # Moved while the gate was cut off: the new code says so itself, and is believed.
    assert (await agent.scan(ONE, new.text)).outcome == "admitted"
    refused(await agent.scan(ONE, old.text), "replaced")


async def test_a_generation_that_was_seen_is_remembered(alone, server):
    old = server.sell(tell=False)
    tomorrow = START + timedelta(days=1)
    new = server.sell(ticket_id=old.body.ticket_id, generation=1, starts=tomorrow, tell=False)
    refused(await alone.scan(ONE, new.text), "tomorrow")
    refused(await alone.scan(ONE, old.text), "replaced")


async def test_refunded(gates, server):
    agent, ticket = await told(gates)
    server.down = False
    server.put(_with(ticket.row, status="refunded"))
    await agent.sync()
    server.down = True
    refused(await agent.scan(ONE, ticket.text), "refunded")


async def test_home_entrance(alone, server):
    elsewhere = server.sell(tell=False, home=ENTRANCE + 1)
    here = server.sell(tell=False, home=ENTRANCE)
    refused(await alone.scan(ONE, elsewhere.text), "wrong_entrance")
    assert (await alone.scan(ONE, here.text)).outcome == "admitted"


@pytest.mark.parametrize(
    ("minutes", "reason"),
    [(-16, "not_open_yet"), (-15, ""), (0, ""), (134, ""), (135, "slot_over")],
)
async def test_grace_around_the_slot(alone, server, now: Simulated, minutes, reason):
    ticket = server.sell(tell=False, hours=2)
    now.move_to(START + timedelta(minutes=minutes))
    answer = await alone.scan(ONE, ticket.text)
    assert answer.reason == reason


async def test_entries_by_others_count(gates, server):
    agent, ticket = await told(gates, party=3)
    server.down = False
    entered = _with(ticket.row, persons_entered=2, last_entered_at=ms(START), last_entrance=9)
    server.put(entered)
    await agent.sync()
    server.down = True
    answer = await agent.scan(ONE, ticket.text)
    assert (answer.outcome, answer.persons) == ("admitted", 1)


async def test_an_exit_keeps_nobody_in(gates):
    agent, ticket = await told(gates)
    await agent.scan(ONE, ticket.text)
    out = await agent.scan(BOTH, ticket.text, direction="out")
    assert (out.outcome, out.persons) == ("admitted", 1)


async def test_a_closed_lane(alone, server):
    ticket = server.sell(tell=False)
    await alone.set_open(ONE, is_open=False, staff="Lin")
    refused(await alone.scan(ONE, ticket.text), "lane_closed")
    assert (await alone.scan(TWO, ticket.text)).outcome == "admitted"


async def test_many_at_once_know_of_each_other(alone, server):
    ticket = server.sell(tell=False, party=2, entries=1)
    answers = await asyncio.gather(
        *(alone.scan(LANES[n % 3], ticket.text, persons=1, direction="in") for n in range(6))
    )
    assert [a.outcome for a in answers].count("admitted") == 2


async def test_no_key_of_the_day_makes_a_moving_code_worth_what_paper_is(gates, server, now):
    ticket = server.sell(starts=START + timedelta(days=5), rotating_code=True, tell=False)
    server.change_setup(
        day_keys={**server.setup.day_keys, "2026-05-06": bytes(32)},
    )
    code = ticket.code(START + timedelta(days=5))
    server.change_setup(
        day_keys={k: v for k, v in server.setup.day_keys.items() if k != "2026-05-06"}
    )
    agent = await gates.ready()
    server.down = True
    now.move_to(START + timedelta(days=5))
    refused(await agent.scan(ONE, code), "document_required")
    assert (await agent.scan(ONE, code, document=CARD)).outcome == "admitted"


async def hours(gates: Gates, *windows: Window, **days: DayKind) -> Agent:
    """A gate that knows hours of the ticket type, and then loses its server."""
    kind = TypeInfo(number=ADULT, name={"en": "Night"}, audience="adult", hours=windows)
    gates.server.change_setup(types=[kind], day_kinds=days)
    agent = await gates.ready()
    gates.server.down = True
    return agent


async def test_a_night_ticket_that_nobody_told_of(gates, server, now: Simulated):
    agent = await hours(gates, Window(time(17), time(21, 30)))
    ticket = server.sell(tell=False, hours=14)
    early = await agent.scan(ONE, ticket.text)
    refused(early, "not_at_this_hour")
    assert early.override_allowed
    assert words.explain(early, "en", at=START, timezone="Asia/Shanghai") == (
        "Opens at 17:00: it admits 17:00–21:30.",
        "This ticket admits 17:00–21:30. Please come back at 17:00.",
    )
    now.move_to(START + timedelta(hours=8))
    assert (await agent.scan(ONE, ticket.text)).outcome == "admitted"


async def test_a_gate_knows_holidays_for_as_long_as_it_is_cut_off(gates, server, now: Simulated):
    """Its own install has no calendar: it goes by what the server told of the days to come."""
    agent = await hours(
        gates,
        Window(time(0), time(0), day_kinds=(DayKind.WORKDAY, DayKind.WEEKEND)),
        **{f"2026-05-0{day}": DayKind.HOLIDAY for day in range(1, 6)},
        **{"2026-05-09": DayKind.WORKDAY},
    )
    ticket = server.sell(tell=False, hours=24 * 30, entries=0)
    on_holiday = await agent.scan(ONE, ticket.text)
    refused(on_holiday, "not_on_this_day")
    assert words.explain(on_holiday, "en", at=START, timezone="Asia/Shanghai")[0] == (
        "Not valid on public holidays; valid again on Wed, May 6."
    )
    now.move_to(START + timedelta(days=4))
    refused(await agent.scan(ONE, ticket.text), "not_on_this_day")
    now.move_to(START + timedelta(days=5))
    assert (await agent.scan(ONE, ticket.text)).outcome == "admitted"


async def test_hours_outlast_a_power_cut(gates, server):
    agent = await hours(gates, Window(time(17), time(21, 30)))
    agent = await gates.restart(agent, keep_memory=False)
    refused(await agent.scan(ONE, server.sell(tell=False).text), "not_at_this_hour")


async def test_a_child_follows_somebody(alone, server, now: Simulated):
    child = server.sell(tell=False, type_number=CHILD)
    refused(await alone.scan(ONE, child.text), "companion_missing")
    await alone.scan(TWO, server.sell(tell=False).text)
    refused(await alone.scan(ONE, child.text), "companion_missing")
    await alone.scan(ONE, server.sell(tell=False).text)
    now.advance(61)
    refused(await alone.scan(ONE, child.text), "companion_missing")
    await alone.scan(ONE, server.sell(tell=False).text)
    now.advance(59)
    assert (await alone.scan(ONE, child.text)).outcome == "admitted"
    # A child is nobody's company.
    other = server.sell(tell=False, type_number=CHILD)
    now.advance(30)
    refused(await alone.scan(ONE, other.text), "companion_missing")


async def test_a_child_whose_parents_are_inside(gates, server, now: Simulated):
    parent = server.sell(order="2605010000000000-1")
    server.sell(order="2605010000000001-1")
    agent, child = await told(gates, type_number=CHILD, order="2605010000000000-2")
    refused(await agent.scan(ONE, child.text), "companion_missing")
    await agent.scan(TWO, parent.text)
    now.advance(3_600)
    assert (await agent.scan(ONE, child.text)).outcome == "admitted"


async def test_nobody_enters_with_a_blocked_document(gates, server):
    server.change_setup(blocked=[document_mark(DOCUMENT_KEY, CARD)])
    agent, ticket = await told(gates, documents=(CARD,))
    refused(await agent.scan(ONE, ticket.text), "blocked")
    refused(await agent.scan(ONE, CARD), "blocked")
    unknown = server.sell(tell=False)
    refused(await agent.scan(ONE, unknown.text, document=CARD), "blocked")
    assert (await agent.scan(ONE, unknown.text)).outcome == "admitted"


async def test_nobody_enters_again_before_leaving(gates, server, now: Simulated):
    server.change_setup(rules=Rules(anti_passback=True))
    agent, ticket = await told(gates, entries=0, party=2)
    assert (await agent.scan(ONE, ticket.text)).persons == 2
    now.advance(600)
    refused(await agent.scan(TWO, ticket.text), "still_inside")
    await agent.scan(BOTH, ticket.text, direction="out", persons=1)
    now.advance(600)
    assert (await agent.scan(TWO, ticket.text)).persons == 1


async def test_what_a_channel_asks_of_codes_that_do_not_change(gates, server):
    free = server.sell(rotating_code=True, documents=(CARD,))
    asks = server.sell(documents=(CARD,))
    server.put(structs.replace(free.row, static_code="free"))
    server.put(structs.replace(asks.row, static_code="document"))
    agent = await gates.ready()
    server.down = True
    assert (await agent.scan(ONE, free.text)).outcome == "admitted"
    refused(await agent.scan(ONE, asks.text), "document_required")


def test_what_scanners_do_to_codes_is_undone(server):
    ticket = server.sell(tell=False)
    assert token.normalise(ticket.text.lower() + "\r\n") == ticket.text


def _with(row, **changes):
    return structs.replace(row, **changes)
