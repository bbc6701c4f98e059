"""The clock: frozen, shifted, simulated, and the way between wall clocks and UTC."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta

import pytest

from shanmen.kit import clock

MORNING = datetime(2026, 5, 1, 0, 30, tzinfo=UTC)


def test_the_real_clock_is_aware_and_in_utc() -> None:
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


def test_frozen_time_stands_still_and_advances_on_command() -> None:
    with clock.at(MORNING) as frozen:
        assert clock.now() == clock.now() == MORNING
        assert clock.unix_ns() == int(MORNING.timestamp()) * 1_000_000_000
        start = clock.monotonic()
        frozen.advance(90.5)
        assert clock.now() == MORNING + timedelta(seconds=90.5)
        assert clock.monotonic() - start == 90.5
        frozen.move_to(MORNING - timedelta(days=1))
        assert clock.now() == MORNING - timedelta(days=1)
        assert clock.monotonic() - start == 90.5
    assert clock.now() > MORNING


def test_shifted_time_runs_on() -> None:
    with clock.shifted(timedelta(days=400)) as shifted:
        first = clock.now()
        assert first - datetime.now(UTC) > timedelta(days=399)
        span = clock.monotonic()
        shifted.advance(3600)
        assert clock.now() - first >= timedelta(hours=1)
        assert clock.monotonic() - span >= 3600


def test_time_does_not_go_back_by_advancing() -> None:
    with clock.at(MORNING) as frozen, pytest.raises(ValueError, match="does not go back"):
        frozen.advance(-1)
    with clock.shifted(timedelta()) as shifted, pytest.raises(ValueError, match="does not go back"):
        shifted.advance(-1)


def test_blocks_nest_and_restore() -> None:
    with clock.at(MORNING):
        with clock.at(MORNING + timedelta(days=1)):
            assert clock.now().day == 2
        assert clock.now() == MORNING


def test_a_naive_instant_is_refused() -> None:
    naive = datetime(2026, 5, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"), clock.at(naive):
        pass
    with pytest.raises(ValueError, match="no time zone"):
        clock.local(naive, "Asia/Shanghai")
    with pytest.raises(ValueError, match="must be naive"):
        clock.to_utc(date(2026, 5, 1), time(8, tzinfo=UTC), "Asia/Shanghai")


async def test_tasks_inherit_the_clock_and_do_not_leak_it() -> None:
    async def frozen(day: int) -> int:
        with clock.at(datetime(2026, 1, day, tzinfo=UTC)):
            await asyncio.sleep(0)
            return clock.now().day

    with clock.at(MORNING):
        assert list(await asyncio.gather(frozen(3), frozen(4))) == [3, 4]
        assert await asyncio.create_task(_now()) == MORNING


async def _now() -> datetime:
    return clock.now()


def test_today_is_the_date_on_the_wall() -> None:
    with clock.at(datetime(2026, 4, 30, 16, 30, tzinfo=UTC)):
        assert clock.today("Asia/Shanghai") == date(2026, 5, 1)
        assert clock.today("UTC") == date(2026, 4, 30)


def test_wall_clock_to_utc_and_back() -> None:
    instant = clock.to_utc(date(2026, 5, 1), time(8, 30), "Asia/Shanghai")
    assert instant == MORNING
    assert instant.tzinfo is UTC
    assert clock.local(instant, "Asia/Shanghai").time() == time(8, 30)


def test_a_repeated_hour_means_the_first() -> None:
    assert clock.to_utc(date(2026, 10, 25), time(2, 30), "Europe/Berlin").hour == 0
    assert clock.to_utc(date(2026, 10, 25), time(2, 30, fold=1), "Europe/Berlin").hour == 1


@pytest.mark.parametrize("name", ["", "Asia/Nowhere", "../etc/passwd", "/etc/passwd", "Asia"])
def test_an_unknown_zone_is_a_coded_error(name: str) -> None:
    with pytest.raises(clock.UnknownTimeZone) as caught:
        clock.zone(name)
    assert caught.value.params == {"name": name}
