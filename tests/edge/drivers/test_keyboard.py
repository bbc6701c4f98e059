"""Scanners that are keyboards."""

import asyncio

import pytest

from shanmen.edge.drivers.keyboard import EV_KEY, EVENT, KEY_ENTER, Keyboard, Typing, keys_of
from shanmen.edge.drivers.standins import TypingScanner
from shanmen.kit.base45 import ALPHABET
from tests.edge.drivers.conftest import listening


def events(*keys: tuple[int, int]) -> bytes:
    return b"".join(EVENT.pack(1, 2, EV_KEY, code, value) for code, value in keys)


async def test_every_character_of_a_ticket_arrives(tmp_path):
    standin = TypingScanner(str(tmp_path / "event0"))
    async with listening(Keyboard("wedge", standin.path, grab=False)) as heard:
        standin.scan(f"SM1{ALPHABET}X")
        standin.scan("lower-case/Mixed_9")
        await heard.until(lambda: len(heard.texts) == 2)
    assert heard.texts == [f"SM1{ALPHABET}X", "lower-case/Mixed_9"]
    standin.close()


async def test_keys_without_an_enter_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr("shanmen.edge.drivers.keyboard.FORGET_SECONDS", 0.05)
    standin = TypingScanner(str(tmp_path / "event0"))
    async with listening(Keyboard("wedge", standin.path, grab=False)) as heard:
        for code, _ in keys_of("HALF"):
            standin.key(code, 1)
        await asyncio.sleep(0.15)
        standin.scan("whole")
        await heard.until(lambda: bool(heard.texts))
    assert heard.texts == ["whole"]
    standin.close()


async def test_what_cannot_be_kept_for_ourselves_is_a_fault(tmp_path):
    standin = TypingScanner(str(tmp_path / "event0"))
    async with listening(Keyboard("wedge", standin.path)) as heard:
        assert heard.faults == [f"This is not an input device ({standin.path})."]
        standin.scan("NOT HEARD")
        await asyncio.sleep(0.05)
    assert heard.texts == []
    standin.close()


def test_half_an_event_waits_for_its_rest():
    typing = Typing()
    data = events((30, 1), (30, 0), (KEY_ENTER, 1))
    assert typing.feed(data[:-5]) == []
    assert typing.feed(data[-5:]) == ["a"]


def test_a_held_key_counts_once_and_shift_ends():
    typing = Typing()
    data = events((42, 1), (30, 1), (30, 2), (30, 2), (30, 0), (42, 0), (30, 1), (28, 1))
    assert typing.feed(data) == ["Aa"]


@pytest.mark.parametrize("end", [28, 96, 15])
def test_each_key_that_ends_a_text(end):
    assert Typing().feed(events((2, 1), (2, 0), (end, 1))) == ["1"]


def test_the_number_pad_types_digits():
    pad = [79, 80, 81, 75, 76, 77, 71, 72, 73, 82]
    assert Typing().feed(events(*[(code, 1) for code in pad], (96, 1))) == ["1234567890"]
