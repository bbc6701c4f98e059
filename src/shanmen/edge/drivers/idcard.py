"""Identity card readers: find a card, select it, read it, and do so again."""

import asyncio
from contextlib import suppress

from shanmen.edge.drivers import sdt
from shanmen.edge.drivers.base import DeviceError, Emit, Health, Read, keep_trying
from shanmen.edge.drivers.links import Address, Link
from shanmen.kit import clock

SHORTEST_POLL_MS = 300
"""Readers of this protocol do not find a card when they are asked more often."""
ANSWER_SECONDS = 1.0
_READ_FACTOR = 3
"""A whole card takes so much longer than any other answer."""
AWAY_SECONDS = 1.5
"""A card that was not found for so long was taken away and counts again."""
_SILENCES_UNTIL_FAULT = 3


class CardReader:
    """A reader at the end of a link."""

    def __init__(
        self,
        name: str,
        address: Address,
        *,
        poll_ms: int = SHORTEST_POLL_MS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.name = name
        self._address, self._answer_seconds = address, answer_seconds
        self._pause = max(poll_ms, SHORTEST_POLL_MS) / 1000
        self._last = ("", 0.0)
        self._unread = False

    async def run(self, emit: Emit) -> None:
        """Poll until cancelled."""
        await keep_trying(lambda health: self._session(health, emit), name=self.name, emit=emit)

    async def _session(self, health: Health, emit: Emit) -> None:
        link = await self._address.open()
        try:
            asking = _Asking(link, self._answer_seconds)
            await asking.begin()
            silences = 0
            while True:
                try:
                    number = await self._look(asking)
                except TimeoutError:
                    # One lost answer is noise on a line; the next question is asked anew.
                    silences += 1
                    # A reader finds a card once. When that answer was lost, or one after it, the
                    # card still lies there and is selected without being found again.
                    self._unread = True
                    if silences >= _SILENCES_UNTIL_FAULT:
                        raise
                    continue
                except DeviceError as error:
                    # The card was moved while it was read: the visitor lays it down again.
                    health.fault(str(error))
                else:
                    silences = 0
                    health.works()
                    if number and self._anew(number):
                        emit(Read(self.name, "document", number))
                await asyncio.sleep(self._pause)
        finally:
            await link.close()

    async def _look(self, asking: "_Asking") -> str | None:
        """The number of the card that lies there now, None where there is none."""
        found = await asking.ask(sdt.FIND)
        again, self._unread = self._unread, False
        if found.status == sdt.NO_CARD and not again:
            return None
        if found.status not in {sdt.FOUND, sdt.NO_CARD}:
            raise DeviceError(f"The reader could not look for cards: {found.why}.")
        selected = await asking.ask(sdt.SELECT)
        if selected.status != sdt.SUCCESS:
            if found.status == sdt.NO_CARD:
                return None
            raise DeviceError(f"A card lies there and could not be selected: {selected.why}.")
        read = await asking.ask(sdt.READ, slow=True)
        if read.status != sdt.SUCCESS:
            raise DeviceError(f"A card lies there and could not be read: {read.why}.")
        card = sdt.card(read.data)
        if card is None:
            raise DeviceError("A card was read, and there is no identity number on it.")
        return card.number

    def _anew(self, number: str) -> bool:
        """Whether the card was away; some readers find a card again that was never lifted."""
        last, at = self._last
        now = clock.monotonic()
        self._last = (number, now)
        return number != last or now - at > AWAY_SECONDS + self._pause


class _Asking:
    """One question after the other, each with its own answer."""

    def __init__(self, link: Link, seconds: float) -> None:
        self._link, self._seconds = link, seconds
        self._frames = sdt.Frames()

    async def begin(self) -> None:
        """Make sure that somebody is there who speaks this protocol and is healthy."""
        status = await self._status()
        if status.status != sdt.SUCCESS:
            raise DeviceError(f"The card reader is not ready: {status.why}.")

    async def _status(self) -> sdt.Reply:
        for _ in range(_SILENCES_UNTIL_FAULT - 1):
            with suppress(TimeoutError):
                return await self.ask(sdt.STATUS)
        return await self.ask(sdt.STATUS)

    async def ask(self, command: bytes, *, slow: bool = False) -> sdt.Reply:
        """Send a command and wait for its answer; raises TimeoutError."""
        # What is still under way is the answer to a question that was given up.
        self._link.drop_input()
        self._frames.forget()
        await self._link.write(sdt.frame(command))
        async with asyncio.timeout(self._seconds * (_READ_FACTOR if slow else 1)):
            while True:
                for body in self._frames.feed(await self._link.read()):
                    if answer := sdt.reply(body):
                        return answer
