"""Keeping in touch with the server: journal up, changes down, health and commands.

One round does all of it, one thing after the other, and a failure of any ends the round; the next
comes later and later, up to half a minute. Nothing here is waited for by a lane.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlencode
from uuid import UUID

from shanmen.admission.protocol import (
    PATH_CHANGES,
    PATH_HEALTH,
    PATH_JOURNAL,
    Changes,
    Command,
    Health,
    HealthAnswer,
    Instant,
    JournalReceipt,
    JournalUpload,
    LaneHealth,
    TicketCount,
    TicketRow,
    encode,
)
from shanmen.edge.client import REVOKED, Breaker, Refused, Server
from shanmen.edge.desk import Desk
from shanmen.edge.gate import Gate
from shanmen.edge.power import Power, read_power
from shanmen.edge.store import StoreBroken
from shanmen.edge.wire import Unreachable
from shanmen.kit import clock, ids

ROUND_SECONDS = 4.0
_LONGEST_PAUSE = 30.0
_PATIENCE_SECONDS = 20.0
_QUICK_SECONDS = 0.15
_ROWS_AT_ONCE = 2_000
_CHUNK = 1_000
"""Tickets that go into one transaction: decisions wait for no more than these."""
_TIDY_SECONDS = 3_600
GAP = "admission.journal_gap"

Execute = Callable[[Command], Awaitable[None]]


def program_version() -> str:
    """Version of the installed package."""
    try:
        return version("shanmen")
    except PackageNotFoundError:
        return "unknown"


class Sync:
    """The talk with the server in the background."""

    def __init__(
        self,
        *,
        server: Server,
        gate: Gate,
        desk: Desk,
        breaker: Breaker,
        execute: Execute,
        lanes: Callable[[], Sequence[LaneHealth]],
        revoked: Callable[[], Awaitable[None]],
    ) -> None:
        self._server = server
        self._gate = gate
        self._desk = desk
        self._breaker = breaker
        self._execute = execute
        self._lanes = lanes
        self._revoked = revoked
        self._wake = asyncio.Event()
        self._once = asyncio.Lock()
        self._started_at = server.skew.now()
        self._tidied = -_TIDY_SECONDS * 1.0
        self._failures = 0
        self._heard_at: Instant = 0
        self.connected = False
        self.power = Power()
        self.trouble = ""
        """Why the server could not be talked to; empty when it could."""

    def kick(self) -> None:
        """There is something to send: do not wait for the next round."""
        if self.connected:
            self._wake.set()

    async def run(self) -> None:
        """Go round for ever; ends when this gate has been revoked."""
        due = clock.monotonic()
        while not self._gate.memory.revoked:
            whole = clock.monotonic() >= due
            await self.round(whole=whole)
            if whole:
                due = clock.monotonic() + ROUND_SECONDS
            await self._pause(due)

    async def round(self, *, whole: bool = True) -> None:
        """Talk once, and remember whether that went well; else only the journal goes up."""
        async with self._once:
            try:
                await (self._talk() if whole else self.upload())
                await self._tidy()
            except StoreBroken as error:
                # The lanes say so too; the talk goes on, for the disk may be mended.
                self._failed(str(error))
            except Unreachable as error:
                self._failed(str(error))
            except Refused as refused:
                self._failed(str(refused))
                if refused.code == REVOKED:
                    await self._revoked()
            else:
                self.connected, self._failures, self.trouble = True, 0, ""

    async def _talk(self) -> None:
        # Whoever enters from here on is perhaps not counted yet in what the server tells of zones.
        counted = await self._desk.run(self._gate.net)
        await self.upload()
        await self.fetch(counted)
        await self.tell(counted)

    def _failed(self, why: str) -> None:
        self.connected = False
        self._failures += 1
        self.trouble = why
        self._breaker.failed()

    async def _pause(self, due: float) -> None:
        pause = max(0.0, due - clock.monotonic())
        if self._failures:
            # Gates that lost the server together must not come back all at the same instant.
            spread = ids.generator().uniform(0.5, 1.0)
            pause = min(_LONGEST_PAUSE, 2.0 ** min(self._failures, 5)) * spread
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def upload(self) -> None:
        """Send the journal until the server has all of it."""
        journal = self._gate.journal
        while rows := await self._desk.run(lambda: journal.unsent(_ROWS_AT_ONCE)):
            body = encode(JournalUpload(rows))
            try:
                receipt = await self._server.call(
                    "POST", PATH_JOURNAL, body, JournalReceipt, seconds=_PATIENCE_SECONDS
                )
            except Refused as refused:
                # It wants rows that it had before: a server that was put back from a backup.
                wanted = refused.refusal.detail
                if refused.code == GAP and wanted.isdigit():
                    await self._desk.run(partial(self._rewind, int(wanted) - 1))
                raise
            if receipt.through > rows[-1].seq:
                # It has rows that this disk has lost. What is here is news under their numbers.
                await self._desk.run(partial(self._renumber, receipt.through))
                continue
            await self._desk.run(partial(self._received, receipt.through))
            if receipt.through < rows[0].seq:
                raise Unreachable("The server did not take the journal; it is sent again.")

    def _received(self, through: int) -> None:
        gate = self._gate
        gate.step(lambda _: gate.journal.received(through), blocks=False)

    def _renumber(self, through: int) -> None:
        gate = self._gate
        gate.step(lambda _: gate.journal.renumber(through), blocks=False)

    def _rewind(self, through: int) -> None:
        gate = self._gate
        gate.step(lambda _: gate.journal.rewind(through), blocks=False)

    async def fetch(self, counted: tuple[str, int] = ("", 0)) -> None:
        """Fetch changes until there are no more; `counted` is `Gate.net` before the upload.

        While one page is written, the server prepares the next.
        """
        memory, room = self._gate.memory, self._room(counted)
        asked = asyncio.create_task(self._ask_changes(memory.mark, memory.setup_digest, room))
        lost = 0
        try:
            while True:
                changes = await asked
                if changes.more:
                    # It will be what this page says, or what it was: whichever is more.
                    room = max(room, *(state.share or 0 for state in changes.zone_states), 0)
                    asked = asyncio.create_task(
                        self._ask_changes(changes.mark, changes.setup_digest, room)
                    )
                lost = await self._take(changes, counted, lost)
                if not changes.more:
                    return
        finally:
            # What became of a question that nobody waits for any more is of no interest.
            asked.add_done_callback(lambda task: task.cancelled() or task.exception())
            asked.cancel()

    def _room(self, counted: tuple[str, int]) -> int:
        day, net = counted
        return self._gate.memory.room(day=day, net=net) or 0

    async def _ask_changes(self, mark: str, setup_digest: str, room: int) -> Changes:
        query = urlencode({"since": mark, "setup": setup_digest, "counts": "1", "room": room})
        return await self._server.call(
            "GET", f"{PATH_CHANGES}?{query}", b"", Changes, seconds=_PATIENCE_SECONDS
        )

    async def _take(self, changes: Changes, counted: tuple[str, int], lost: int) -> int:
        """Keep a page; returns how many tickets were counted that this gate lost, all in all."""
        await self._desk.run(lambda: self._begin(changes, counted))
        self._heard_at = changes.server_time
        rows = changes.tickets
        for first in range(0, len(rows), _CHUNK):
            chunk = rows[first : first + _CHUNK]
            await self._desk.run(partial(self._put, chunk))
        for first in range(0, len(changes.counts), _CHUNK):
            counts = changes.counts[first : first + _CHUNK]
            lost += await self._desk.run(partial(self._put_counts, counts))
        await self._desk.run(lambda: self._finish(changes, lost))
        return lost

    def _begin(self, changes: Changes, counted: tuple[str, int]) -> None:
        gate = self._gate
        day, net = counted
        with gate.store.transaction():
            if changes.setup is not None:
                gate.memory.take_setup(changes.setup, changes.setup_digest, fresh=changes.fresh)
            gate.memory.take_zones(changes.zone_states, day=day, net=net)
            if changes.fresh:
                gate.memory.begin_load()

    def _put(self, rows: Sequence[TicketRow]) -> None:
        gate = self._gate
        with gate.store.transaction():
            gate.journal.tickets.put(rows, epoch=gate.memory.epoch)

    def _put_counts(self, counts: Sequence[TicketCount]) -> int:
        gate = self._gate
        with gate.store.transaction():
            return gate.journal.tickets.put_counts(counts)

    def _finish(self, changes: Changes, lost: int) -> None:
        """The mark moves on only when all that came with it is on the disk.

        A gate that has lost what it is told the count of asks for everything anew.
        """
        gate = self._gate
        loaded = gate.memory.loading and not changes.more
        with gate.store.transaction():
            if loaded:
                gate.journal.tickets.drop_before(gate.memory.epoch)
            gate.memory.take_mark(
                "" if lost else changes.mark,
                more=changes.more,
                at=gate.skew.now(),
                skew_ms=gate.skew.ms,
            )
        if loaded:
            with gate.store.transaction():
                gate.memory.settle()
            gate.store.tidy_log()
        gate.recount_tickets()

    async def tell(self, counted: tuple[str, int] = ("", 0)) -> None:
        """Say how this gate is, and do what the console wants of it; `counted` as in `fetch`."""
        gate = self._gate
        done = await self._desk.run(gate.done_commands)
        self.power = read_power()
        started = clock.monotonic()
        answer = await self._server.call(
            "POST",
            PATH_HEALTH,
            encode(self._health(done, self._room(counted))),
            HealthAnswer,
            seconds=_PATIENCE_SECONDS,
        )
        if clock.monotonic() - started <= self._budget():
            self._breaker.well()
        if done:
            await self._desk.run(lambda: gate.commands_told(done))
        for command in answer.commands:
            if await self._desk.run(partial(gate.take_command, command)):
                await self._execute(command)

    def _budget(self) -> float:
        place = self._gate.memory.place
        return place.setup.rules.ask_budget_ms / 1000 if place else _QUICK_SECONDS

    def _health(self, done: list[UUID], room: int) -> Health:
        gate, figures = self._gate, self._gate.figures
        now: Instant = gate.skew.now()
        return Health(
            at=now + gate.skew.ms,
            version=program_version(),
            queue=figures.last - figures.through,
            skew_ms=gate.skew.ms,
            tickets=figures.tickets,
            mark=gate.memory.mark,
            battery_percent=self.power.battery_percent,
            on_mains=self.power.on_mains,
            started_at=self._started_at,
            unresolved=figures.unresolved,
            lanes=list(self._lanes()),
            done=done,
            room=room,
            heard_at=self._heard_at,
        )

    async def _tidy(self) -> None:
        if clock.monotonic() - self._tidied >= _TIDY_SECONDS:
            self._tidied = clock.monotonic()
            await self._desk.run(self._gate.tidy)
