"""Calendars and slot lists without the framework's conveniences, for many who ask at once.

Those who ask while a read is in flight share the next one, which begins after they have asked: so
each answer knows every order that was acknowledged before its question was sent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar import Litestar

from shanmen.db.session import Database, Unit
from shanmen.inventory.api.visit import day_out, slot_out
from shanmen.inventory.board import Boards, DayBoard
from shanmen.inventory.queries import check_span
from shanmen.inventory.rules import DayOffer, SlotOffer
from shanmen.kit.coalesce import Coalescer
from shanmen.sites import errors as sites_errors
from shanmen.sites.access import access_in
from shanmen.sites.queries import SiteContext
from shanmen.web.direct import Call, DirectRoute

MAX_BATCH: Final = 512
MAX_QUEUE: Final = 8192
STATE_KEY: Final = "inventory_reads"
OK: Final = 200
DAYS: Final = "days"
SLOTS: Final = "slots"

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks for."""

    days: tuple[date, ...]
    products: tuple[UUID, ...] | None


@dataclass(frozen=True, slots=True)
class Question:
    """What one caller asks."""

    kind: str
    site: SiteContext
    channel: str
    wanted: Wanted


Reads = Coalescer[int, Question, bytes]


@lru_cache(maxsize=4096)
def _days_wanted(query: bytes) -> Wanted | None:
    """Read ``from=…&to=…&product=…``; None where that is not all of it, or not readable."""
    try:
        pairs = parse_qsl(query.decode("ascii"), strict_parsing=True)
        first, last = _date(pairs, "from"), _date(pairs, "to")
        products = _products(pairs, {"from", "to"})
    except ValueError:
        return None
    check_span(first, last)
    return Wanted(
        tuple(first + timedelta(days=n) for n in range((last - first).days + 1)), products
    )


@lru_cache(maxsize=4096)
def _day_wanted(query: bytes) -> Wanted | None:
    """Read ``date=…&product=…``; None where that is not all of it, or not readable."""
    try:
        pairs = parse_qsl(query.decode("ascii"), strict_parsing=True)
        return Wanted((_date(pairs, "date"),), _products(pairs, {"date"}))
    except ValueError:
        return None


def _date(pairs: Sequence[tuple[str, str]], name: str) -> date:
    [value] = [value for key, value in pairs if key == name]
    # Python reads more shapes of a date than the API documents.
    if len(value) != len("2026-05-01") or value[4] != "-" or value[7] != "-":
        raise ValueError("no date")
    return date.fromisoformat(value)


def _products(pairs: Sequence[tuple[str, str]], others: set[str]) -> tuple[UUID, ...] | None:
    if {key for key, _ in pairs} - others - {"product"}:
        raise ValueError("unknown parameter")
    return tuple(UUID(value) for key, value in pairs if key == "product") or None


def reads_in(app: Litestar) -> Reads:
    """The application's own; made at the first use."""
    state = app.state
    found = state.get(STATE_KEY)
    if isinstance(found, Coalescer):
        return found
    database: Database = state.database
    boards = Boards()

    async def run(tenant_id: int, questions: list[Question]) -> list[bytes]:
        return await answer(database.unit(tenant_id), boards=boards, questions=questions)

    made: Reads = Coalescer(run, max_batch=MAX_BATCH, max_queue=MAX_QUEUE)
    state[STATE_KEY] = made
    return made


async def answer(unit: Unit, *, boards: Boards, questions: Sequence[Question]) -> list[bytes]:
    """Answer many questions from one reading of all the days that they are about."""
    sites = {question.site.site_id: question.site for question in questions}
    days: dict[UUID, set[date]] = {site_id: set() for site_id in sites}
    for question in questions:
        days[question.site.site_id].update(question.wanted.days)
    found = {
        site_id: await boards.read(unit, site=sites[site_id], days=wanted)
        for site_id, wanted in days.items()
    }
    made: dict[tuple[object, ...], bytes] = {}
    answers = []
    for question in questions:
        site_id = question.site.site_id
        key = (question.kind, site_id, question.channel, question.wanted)
        if key not in made:
            made[key] = _render(question, found[site_id])
        answers.append(made[key])
    return answers


def _render(question: Question, boards: dict[date, DayBoard]) -> bytes:
    channel, products = question.channel, question.wanted.products
    views = [boards[day].view(channel, products) for day in question.wanted.days]
    if question.kind == SLOTS:
        parts = [slot for view in views for slot in view.slots(_slot)]
    else:
        parts = [view.day(_day) for view in views]
    return b"[" + b",".join(parts) + b"]"


def _slot(offer: SlotOffer) -> bytes:
    return _encode(slot_out(offer))


def _day(offer: DayOffer) -> bytes:
    return _encode(day_out(offer))


async def _ask(
    call: Call, kind: str, read: Callable[[bytes], Wanted | None]
) -> tuple[int, bytes] | None:
    access = access_in(call.app)
    caller = await access.api_caller(call.text(b"authorization"))
    wanted = read(call.query)
    if wanted is None:
        return None
    site = await access.site(call.parameters[0])
    if site.tenant_id != caller.tenant_id:
        raise sites_errors.SiteUnknown(field="slug")
    question = Question(kind, site, caller.channel, wanted)
    return OK, await reads_in(call.app).submit(caller.tenant_id, question)


async def availability(call: Call) -> tuple[int, bytes] | None:
    """As `visit.availability`."""
    return await _ask(call, DAYS, _days_wanted)


async def available_slots(call: Call) -> tuple[int, bytes] | None:
    """As `visit.available_slots`."""
    return await _ask(call, SLOTS, _day_wanted)


routes = [
    DirectRoute("GET", "/api/v1/sites/{slug}/availability", availability),
    DirectRoute("GET", "/api/v1/sites/{slug}/slots", available_slots),
]
