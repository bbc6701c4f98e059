"""A server for gates that fits into a test: it checks signatures, keeps books, and misbehaves.

It is a `Transport`, so a gate under test is given it in place of a network. What it knows of a
ticket is counted like the server does: an admission counts once per scan id, whoever decided it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import msgspec
from msgspec import structs
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from shanmen.admission import protocol
from shanmen.admission.protocol import (
    Answer,
    AskRequest,
    Changes,
    Command,
    EntranceInfo,
    Health,
    HealthAnswer,
    Holders,
    JournalReceipt,
    JournalRow,
    JournalUpload,
    LaneInfo,
    PlaceInfo,
    Refusal,
    Rules,
    Setup,
    TicketRow,
    TypeInfo,
    ZoneState,
    encode,
)
from shanmen.edge import device
from shanmen.edge.device import Device
from shanmen.edge.wire import Reply, Unreachable
from shanmen.kit import clock, ids
from shanmen.tickets import token
from shanmen.tickets.token import TicketBody
from tests.support.sold import Ticket, count_of

SITE, ENTRANCE, ZONE, TYPE = 7, 2, 1, 3
TIMEZONE = "Asia/Shanghai"
LANES = [UUID(int=0xA000 + number) for number in range(1, 4)]
DOCUMENT_KEY = bytes(range(32))
ADULT, CHILD = TYPE, TYPE + 1
START = datetime(2026, 5, 1, 1, 0, tzinfo=UTC)
"""Nine in the morning, in Shanghai."""


class Died(Exception):
    """Stands for the end of the gate's process."""


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@dataclass
class GateServer:
    """One tenant's server, with one enrolled gate, and switches for its faults."""

    server_key: SigningKey = field(default_factory=SigningKey.generate)
    signing_key: SigningKey = field(default_factory=SigningKey.generate)
    device_key: SigningKey = field(default_factory=SigningKey.generate)
    device_id: UUID = field(default_factory=ids.new_id)
    down: bool = False
    """Nobody answers."""
    answers_late: bool = False
    """It carries out what is asked, and the answer comes too late to count."""
    dies: bool = False
    """The gate's process dies when it has asked."""
    loses_receipts: bool = False
    """It takes the journal, and its receipt is lost."""
    unsigned: bool = False
    replays: bool = False
    """It gives every question the answer to an earlier one."""
    asks_twice: bool = False
    """Something on the way asks each question a second time, and passes that answer on."""
    revoked: bool = False
    clock_ahead: timedelta = timedelta()
    page: int = 5_000
    decide: Callable[[AskRequest], Answer] | None = None
    rows: dict[bytes, TicketRow] = field(default_factory=dict)
    changed: list[bytes] = field(default_factory=list)
    journal: list[JournalRow] = field(default_factory=list)
    asked: dict[UUID, Answer] = field(default_factory=dict)
    health: list[Health] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    zones: list[ZoneState] = field(default_factory=list)
    setup: Setup = field(init=False)
    counted: set[int] = field(default_factory=set)
    """Which of the changes were no more than that others used a ticket."""
    calls: list[str] = field(default_factory=list)
    last: Reply | None = None
    highest: int = 0
    """The highest count that was taken: a gate under test never asks twice with one."""

    def __post_init__(self) -> None:
        names = {"zh-CN": "南门", "en": "South Gate"}
        self.setup = Setup(
            timezone=TIMEZONE,
            site=PlaceInfo(number=SITE, name={"en": "Yunling"}),
            entrance=ENTRANCE,
            zone=ZONE,
            lanes=[
                LaneInfo(
                    id=lane,
                    number=number,
                    name={"en": f"Lane {number}"},
                    direction="both" if number == 3 else "in",
                    open=True,
                )
                for number, lane in enumerate(LANES, start=1)
            ],
            sites=[PlaceInfo(number=SITE, name={"en": "Yunling"})],
            zones=[PlaceInfo(number=ZONE, name={"en": "Mountain"})],
            entrances=[EntranceInfo(number=ENTRANCE, name=names, zone=ZONE)],
            types=[
                TypeInfo(number=ADULT, name={"en": "Adult"}, audience="adult"),
                TypeInfo(number=CHILD, name={"en": "Child"}, audience="child", companion=True),
            ],
            zone_states=[],
            rules=Rules(),
            signing_keys={1: self.signing_key.verify_key.encode()},
            day_keys={
                (START.date() + timedelta(days=days)).isoformat(): self._day_key(days)
                for days in range(-1, 3)
            },
            document_key=DOCUMENT_KEY,
            blocked=[],
        )

    def _day_key(self, days: int) -> bytes:
        return bytes([0xD0 + days]) * 32

    def change_setup(self, **changes: object) -> None:
        self.setup = structs.replace(self.setup, **changes)

    def enrol(self, folder: Path) -> Device:
        """Put the gate's own file where its agent looks for it."""
        made = Device(
            url="http://127.0.0.1:1",
            tenant="12",
            device_id=self.device_id,
            key=self.device_key.encode(),
            server_key=self.server_key.verify_key.encode(),
        )
        device.save(folder, made)
        return made

    def sell(
        self,
        *,
        starts: datetime = START,
        hours: float = 8,
        party: int = 1,
        entries: int = 1,
        rotating_code: bool = False,
        second_factor: bool = False,
        home: int | None = None,
        documents: tuple[str, ...] = (),
        names: tuple[str, ...] = (),
        type_number: int = ADULT,
        generation: int = 0,
        ticket_id: UUID | None = None,
        order: str = "",
        tell: bool = True,
    ) -> Ticket:
        """Sell a ticket; without `tell` no gate hears of it."""
        body = TicketBody(
            key_id=1,
            site_number=SITE,
            ticket_id=ticket_id or ids.new_id(),
            generation=generation,
            ticket_type_number=type_number,
            party_size=party,
            entries=entries,
            valid_from=starts,
            valid_until=starts + timedelta(hours=hours),
            zones=1 << ZONE,
            rotating=rotating_code,
            second_factor=second_factor,
            home_entrance=home,
        )
        text = token.issue(body, self.signing_key)
        holders = Holders(list(names))
        row = TicketRow(
            id=body.ticket_id.bytes,
            number=order or f"{ids.order_number(starts.date())}-1",
            type_number=type_number,
            generation=generation,
            status="valid",
            valid_from=ms(body.valid_from),
            valid_until=ms(body.valid_until),
            party_size=party,
            entries=entries,
            zones=body.zones,
            flags=body.flags,
            persons_entered=0,
            persons_inside=0,
            last_entered_at=None,
            last_entrance=None,
            sealed=protocol.seal(protocol.seal_key(text), holders) if names else b"",
            documents=[
                (
                    protocol.document_mark(DOCUMENT_KEY, number),
                    protocol.seal(protocol.document_seal_key(DOCUMENT_KEY, number), holders),
                )
                for number in documents
            ],
        )
        self.rows[row.id] = row
        if tell:
            self.put(row)
        return Ticket(body, text, row, self._key_of)

    def _key_of(self, moment: datetime) -> bytes:
        day = clock.local(moment, TIMEZONE).date()
        return self.setup.day_keys[day.isoformat()]

    def put(self, row: TicketRow) -> None:
        """Tell gates of a ticket, or of a change of it."""
        self.rows[row.id] = row
        self.changed.append(row.id)

    def count(self, row: TicketRow) -> None:
        """Tell gates that others used a ticket, and nothing else of it."""
        self.put(row)
        self.counted.add(len(self.changed) - 1)

    def entered(self, ticket_id: bytes) -> int:
        """How many entered with a ticket, as far as the server knows."""
        return sum(self._by_scan(ticket_id).values())

    def _by_scan(self, ticket_id: bytes) -> dict[UUID, int]:
        counted: dict[UUID, int] = defaultdict(int)
        for scan_id, answer in self.asked.items():
            if answer.ticket_id == ticket_id and answer.outcome == "admitted":
                counted[scan_id] = answer.persons
        # What the gate says of a scan is the truth of it.
        for scan_id in {row.scan_id for row in self.journal if row.step in {"admitted", "refused"}}:
            counted[scan_id] = 0
        signs = {"admitted": 1, "override": 1, "given_back": -1, "undone": -1, "corrected": 1}
        for row in self.journal:
            if row.ticket_id == ticket_id and row.direction == "in":
                counted[row.scan_id] += signs.get(row.step, 0) * row.persons
        return counted

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """Answer like the server, or like a bad network."""
        del seconds
        await asyncio.sleep(0)
        if self.down:
            raise Unreachable("The server is off.")
        count, nonce = headers[protocol.HEADER_COUNT], headers[protocol.HEADER_NONCE]
        self.calls.append(urlsplit(path).path)
        status, answer = self._answer(method, path, headers, body)
        if self.asks_twice:
            self.asks_twice = False
            status, answer = self._answer(method, path, headers, body)
        message = protocol.answer_message(count=count, nonce=nonce, status=status, body=answer)
        signature = protocol.sign(self.server_key, message)
        signed = {protocol.HEADER_SIGNATURE.lower(): signature}
        reply = Reply(status, {} if self.unsigned else signed, answer)
        if self.replays and self.last is not None:
            return self.last
        self.last = reply
        if self.dies and path == protocol.PATH_DECIDE:
            raise Died
        if self.answers_late and path == protocol.PATH_DECIDE:
            raise Unreachable("Too late.")
        if self.loses_receipts and path == protocol.PATH_JOURNAL:
            raise Unreachable("Lost.")
        return reply

    async def close(self) -> None:
        """Nothing is open."""

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        message = protocol.request_message(
            method=method,
            path=path,
            at=headers[protocol.HEADER_TIME],
            count=headers[protocol.HEADER_COUNT],
            nonce=headers[protocol.HEADER_NONCE],
            body=body,
        )
        key = VerifyKey(self.device_key.verify_key.encode())
        try:
            key.verify(message, bytes.fromhex(headers[protocol.HEADER_SIGNATURE]))
        except BadSignatureError:
            return self._refuse(401, "admission.device_signature")
        if self.revoked:
            return self._refuse(401, "admission.device_revoked")
        count = int(headers[protocol.HEADER_COUNT])
        if count <= self.highest:
            return self._refuse(409, "admission.request_repeated", detail=str(self.highest))
        self.highest = count
        off = abs(int(headers[protocol.HEADER_TIME]) - self._now())
        if off > protocol.CLOCK_TOLERANCE_SECONDS * 1000:
            return self._refuse(401, "admission.device_clock")
        url = urlsplit(path)
        answers = {
            protocol.PATH_CHANGES: lambda: self._changes(parse_qs(url.query)),
            protocol.PATH_JOURNAL: lambda: self._merge(body),
            protocol.PATH_DECIDE: lambda: self._decide(body),
            protocol.PATH_HEALTH: lambda: self._health(body),
        }
        return 200, encode(answers[url.path]())

    def _refuse(self, status: int, code: str, *, detail: str = "") -> tuple[int, bytes]:
        return status, encode(Refusal(code=code, server_time=self._now(), detail=detail))

    def _now(self) -> int:
        return clock.unix_ns() // 1_000_000 + round(self.clock_ahead.total_seconds() * 1000)

    def _row(self, ticket_id: bytes) -> TicketRow:
        row, here = self.rows[ticket_id], self.entered(ticket_id)
        return structs.replace(
            row,
            persons_entered=row.persons_entered + here,
            entered_here=here,
            persons_inside=row.persons_inside + here,
            inside_here=here,
            inside_zone=row.inside_zone + here,
        )

    def _changes(self, query: Mapping[str, list[str]]) -> Changes:
        since = query.get("since", [""])[0]
        start = int(since) if since else 0
        found = self.changed[start : start + self.page]
        rows = [self._row(each) for each in dict.fromkeys(found)]
        whole = {each for n, each in enumerate(found, start) if n not in self.counted}
        light = {row.id for row in rows} - whole if query.get("counts") == ["1"] else set()
        digest = str(hash(encode(self.setup)))
        known = query.get("setup", [""])[0] == digest
        return Changes(
            mark=str(start + len(found)),
            more=start + len(found) < len(self.changed),
            fresh=not since,
            server_time=self._now(),
            setup=None if known else self.setup,
            setup_digest=digest,
            tickets=[row for row in rows if row.id not in light],
            counts=[count_of(row) for row in rows if row.id in light],
            zone_states=self.zones,
        )

    def _merge(self, body: bytes) -> JournalReceipt:
        known = self.journal[-1].seq if self.journal else 0
        for row in msgspec.msgpack.decode(body, type=JournalUpload).rows:
            if row.seq > known:
                assert row.seq == known + 1, "a gap in the journal"
                self.journal.append(row)
                known = row.seq
        return JournalReceipt(through=known)

    def _decide(self, body: bytes) -> Answer:
        scan = msgspec.msgpack.decode(body, type=AskRequest)
        if scan.scan_id not in self.asked:
            self.asked[scan.scan_id] = (self.decide or self._simple)(scan)
        return self.asked[scan.scan_id]

    def _simple(self, scan: AskRequest) -> Answer:
        ticket_id = token.verify(scan.code, {1: self.signing_key.verify_key}).ticket_id.bytes
        row = self._row(ticket_id)
        left = row.party_size - (scan.direction != "out") * row.persons_entered
        return Answer(
            scan_id=scan.scan_id,
            outcome="admitted" if left else "refused",
            persons=left,
            persons_left=0,
            party_size=row.party_size,
            reason="" if left else "already_used",
            ticket_id=ticket_id,
            ticket_number=row.number,
            type_number=row.type_number,
        )

    def _health(self, body: bytes) -> HealthAnswer:
        health = msgspec.msgpack.decode(body, type=Health)
        self.health.append(health)
        self.commands = [each for each in self.commands if each.id not in health.done]
        return HealthAnswer(server_time=self._now(), commands=list(self.commands))
