"""Identity card readers."""

import asyncio
import random

import pytest

from shanmen.edge.drivers import sdt
from shanmen.edge.drivers.idcard import CardReader
from shanmen.edge.drivers.links import Serial
from shanmen.edge.drivers.standins import IdCardReader, Mischief
from tests.edge.drivers.conftest import Heard, listening

OTHER = "110101199003078072"


def reader(standin: IdCardReader) -> CardReader:
    return CardReader("card", Serial(standin.port.path), answer_seconds=1)


def test_frames_are_those_of_the_protocol():
    assert sdt.frame(sdt.FIND).hex(" ") == "aa aa aa 96 69 00 03 20 01 22"
    assert sdt.frame(sdt.SELECT).hex(" ") == "aa aa aa 96 69 00 03 20 02 21"
    assert sdt.frame(sdt.STATUS).hex(" ") == "aa aa aa 96 69 00 03 11 ff ed"
    assert sdt.frame(sdt.READ).hex(" ") == "aa aa aa 96 69 00 03 30 01 32"
    found = bytes.fromhex("00009F00000000")
    assert sdt.frame(found).hex(" ") == "aa aa aa 96 69 00 08 00 00 9f 00 00 00 00 97"


def whole_card(text: bytes) -> bytes:
    return (256).to_bytes(2, "big") + (1024).to_bytes(2, "big") + text + bytes(1024)


def test_the_answer_with_a_card_has_the_length_that_the_protocol_says(card_number):
    body = bytes.fromhex("000090") + whole_card(sdt.text_of(card_number, "张三"))
    sent = sdt.frame(body)
    assert sent[5:14].hex(" ") == "05 08 00 00 90 01 00 04 00"
    (taken,) = sdt.Frames().feed(sent)
    answer = sdt.reply(taken)
    assert answer is not None
    assert sdt.card(answer.data) == sdt.Card(card_number, "张三")


@pytest.mark.parametrize("encoding", ["utf-16-le", "gb18030"])
def test_both_encodings_are_read(encoding, card_number):
    text = sdt.text_of(card_number, "欧阳娜娜", encoding=encoding)
    assert sdt.card(whole_card(text)) == sdt.Card(card_number, "欧阳娜娜")


def test_a_foreign_residents_card_of_2017_has_its_own_columns():
    text = sdt.text_of("USA110088010114", "SMITH, JANE", foreigner=True)
    card = sdt.card(whole_card(text))
    assert card is not None
    assert card.name == "SMITH, JANE"
    assert card.number == "USA110088010114"


@pytest.mark.parametrize("data", [b"", bytes(3), bytes(300), whole_card(bytes(256))])
def test_what_is_no_card(data):
    assert sdt.card(data) is None


def test_frames_are_found_again_after_any_noise(card_number):
    rng = random.Random(7)
    good = [sdt.frame(rng.randbytes(rng.randint(3, 60))) for _ in range(200)]
    frames = sdt.Frames()
    found: list[bytes] = []
    for one in good:
        noise = rng.choice(
            [b"", b"\xaa\xaa", sdt.PREAMBLE[:4], sdt.PREAMBLE + b"\0\1\xff", b"\0" * 9]
        )
        damaged = bytearray(one)
        damaged[-1] ^= 0x10
        stream = noise + (bytes(damaged) if rng.random() < 0.3 else b"") + one
        cut = rng.randint(0, len(stream))
        found += frames.feed(stream[:cut]) + frames.feed(stream[cut:])
    assert [body for body in found if body] == [one[7:-1] for one in good]
    assert frames.damaged > 30


def test_half_a_frame_does_not_swallow_the_next():
    frames = sdt.Frames()
    long = sdt.frame(b"\0\0\x90" + bytes(range(200)))
    assert frames.feed(long[:50]) == []
    assert frames.feed(sdt.frame(sdt.FIND)) == [sdt.FIND]


async def lay(standin: IdCardReader, heard: Heard, number: str, times: int = 1) -> None:
    standin.lay(number)
    await heard.until(lambda: heard.texts.count(number) == times)


async def test_a_card_is_read_once_while_it_lies(card_number):
    standin = IdCardReader()
    async with listening(reader(standin)) as heard:
        await lay(standin, heard, card_number)
        standin.found_once = False  # As readers do that find a card again that was never lifted.
        await asyncio.sleep(0.8)
        assert heard.texts == [card_number]
        await lay(standin, heard, OTHER)
    assert [event.kind for event in heard.events if hasattr(event, "kind")] == ["document"] * 2
    assert card_number not in repr(heard.events)
    standin.close()


@pytest.mark.parametrize(
    "mischief",
    [
        Mischief(noise=b"\xaa\xaa\xaa\x96\x00\xff"),
        Mischief(silent=1),
        Mischief(halves=1),
        Mischief(damaged=1),
    ],
    ids=["noise", "silence", "half", "checksum"],
)
async def test_a_bad_line_is_survived(mischief, card_number):
    standin = IdCardReader()
    async with listening(reader(standin)) as heard:
        standin.mischief = mischief
        await asyncio.sleep(0.35)
        await lay(standin, heard, card_number)
        assert heard.works
    standin.close()


@pytest.mark.parametrize("lost", [1, 2, 3], ids=["find", "select", "read"])
async def test_a_card_is_read_though_the_reader_finds_it_only_once(lost, card_number):
    standin = IdCardReader()
    async with listening(reader(standin)) as heard:
        standin.lose = lost
        await lay(standin, heard, card_number)
        assert heard.texts == [card_number]
    standin.close()


async def test_a_reader_that_falls_silent_is_a_fault_and_comes_back(card_number):
    standin = IdCardReader()
    async with listening(reader(standin)) as heard:
        standin.mischief.silent = 5
        await heard.until(lambda: bool(heard.faults))
        assert heard.faults == ["The device did not answer in time."]
        await heard.until(lambda: heard.works)
        await lay(standin, heard, card_number)
    standin.close()


async def test_a_blank_card_is_told(card_number):
    standin = IdCardReader()
    async with listening(reader(standin)) as heard:
        standin.card = bytes(256)
        await heard.until(lambda: bool(heard.faults))
        assert heard.faults == ["A card was read, and there is no identity number on it."]
        standin.lift()
        await heard.until(lambda: heard.works)
    standin.close()
