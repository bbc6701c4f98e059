"""Payments that meet lapsing, cancelling, and each other."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shanmen.kit import clock
from shanmen.ledger.service import differences
from shanmen.orders.errors import TransitionRefused
from shanmen.orders.schemas import Placed
from shanmen.orders.service.lapse import cancel_order, expire_holds
from tests.races.conftest import MakeWorld, World
from tests.races.tampered import MOVES
from tests.support.desk import notice

pytestmark = pytest.mark.races


async def held_order(world: World) -> tuple[Placed, UUID]:
    placed = await world.desk.place(world.park.order(world.park.ticket()))
    return placed, await world.desk.attempt(placed)


async def at(instant: datetime, work: Coroutine[Any, Any, Any]) -> Any:
    with clock.at(instant):
        return await work


def lapsed(placed: Placed) -> datetime:
    return placed.hold_expires_at + timedelta(seconds=1)


def expire(world: World, placed: Placed) -> Coroutine[Any, Any, Any]:
    return at(lapsed(placed), world.desk.unit(expire_holds))


def pay(world: World, placed: Placed, attempt: UUID) -> Coroutine[Any, Any, Any]:
    return at(lapsed(placed), world.desk.pay(placed, attempt=attempt))


def cancel(world: World, placed: Placed) -> Coroutine[Any, Any, Any]:
    return world.desk.unit(cancel_order, order_id=placed.id)


async def test_lapsing_passes_by_an_order_that_is_being_paid(world: MakeWorld):
    w = await world()
    placed, attempt = await held_order(w)
    met = await w.collide(pay(w, placed, attempt), expire(w, placed), at=MOVES)
    assert (met.first, met.second, met.waited) == ("issued", 0, False)
    assert await w.desk.counters() == (0, 1)
    await w.assert_sound()


async def test_a_payment_waits_for_lapsing_and_takes_its_place_again(world: MakeWorld):
    w = await world()
    placed, attempt = await held_order(w)
    met = await w.collide(expire(w, placed), pay(w, placed, attempt), at=MOVES)
    assert (met.first, met.second, met.waited) == (1, "late_issued", True)
    assert await w.desk.counters() == (0, 1)
    await w.assert_sound()


async def test_without_the_lock_a_paid_place_is_given_back_as_lapsed(world: MakeWorld):
    w = await world(off=("orders", "check"))
    placed, attempt = await held_order(w)
    met = await w.collide(pay(w, placed, attempt), expire(w, placed), at=MOVES)
    assert (met.first, met.second) == ("issued", 1)
    assert await w.desk.counters() == (-1, 1)
    assert await w.stock_differences() != []


async def test_who_pays_first_cannot_be_cancelled(world: MakeWorld):
    w = await world()
    placed, attempt = await held_order(w)
    met = await w.collide(w.desk.pay(placed, attempt=attempt), cancel(w, placed), at=MOVES)
    assert met.waited
    assert met.first == "issued"
    assert isinstance(met.second, TransitionRefused)
    assert await w.desk.counters() == (0, 1)
    await w.assert_sound()


async def test_who_is_cancelled_first_gets_the_payment_back(world: MakeWorld):
    w = await world()
    placed, attempt = await held_order(w)
    met = await w.collide(cancel(w, placed), w.desk.pay(placed, attempt=attempt), at=MOVES)
    assert (met.first, met.second, met.waited) == (None, "late_refunded", True)
    assert await w.desk.counters() == (0, 0)
    await w.desk.confirm_refunds(placed)
    assert (await w.desk.view(placed)).status == "refunded"
    await w.assert_sound()


async def test_without_the_lock_an_order_is_issued_and_cancelled(world: MakeWorld):
    w = await world(off=("orders", "check"))
    placed, attempt = await held_order(w)
    met = await w.collide(w.desk.pay(placed, attempt=attempt), cancel(w, placed), at=MOVES)
    assert (met.first, met.second) == ("issued", None)
    assert await w.desk.counters() == (-1, 1)
    assert await w.stock_differences() != []


async def test_a_callback_that_comes_five_times_at_once_pays_once(world: MakeWorld):
    w = await world()
    placed, attempt = await held_order(w)
    heard = notice(attempt, placed.amount_fen)

    async def four_more() -> list[str]:
        return sorted(await asyncio.gather(*(w.desk.hear(heard) for _ in range(4))))

    met = await w.collide(w.desk.hear(heard), four_more(), at=MOVES)
    assert met.waited
    assert (met.first, met.second) == ("issued", ["duplicate"] * 4)
    assert await w.desk.counters() == (0, 1)
    assert await w.desk.count("ticket") == 1
    assert await w.desk.count("ledger_transfer") == 1
    await w.assert_sound()


async def test_without_locks_and_keys_a_callback_pays_twice(world: MakeWorld):
    w = await world(off=("orders", "payment", "check", "issue", "notice"))
    placed, attempt = await held_order(w)
    heard = notice(attempt, placed.amount_fen)
    met = await w.collide(w.desk.hear(heard), w.desk.hear(heard), at=MOVES)
    assert (met.first, met.second) == ("issued", "issued")
    assert await w.desk.count("ticket") == 2
    assert await w.desk.count("ledger_transfer") == 2
    assert await w.stock_differences() != []
    assert await w.desk.unit(differences) == []  # The money agrees with itself: it came twice.
