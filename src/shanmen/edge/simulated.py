"""What `shanmen gate simulate` puts around a gate: a small server, tickets, and an entrance."""

import hashlib
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import msgspec
from nacl.signing import SigningKey

from shanmen.admission import protocol
from shanmen.admission.protocol import (
    Changes,
    EntranceInfo,
    HealthAnswer,
    Holders,
    JournalReceipt,
    JournalUpload,
    LaneInfo,
    PlaceInfo,
    Rules,
    Setup,
    TicketRow,
    TypeInfo,
    encode,
)
from shanmen.edge import device
from shanmen.edge.device import Device
from shanmen.edge.wire import Reply, Unreachable
from shanmen.kit import clock
from shanmen.tickets import rotating, token
from shanmen.tickets.token import TicketBody

TIMEZONE = "Asia/Shanghai"
PASSAGE_SECONDS = 4
_SITE, _ENTRANCE, _ZONE = 1, 1, 0
ADULT, FAMILY = 1, 2
_TENANT = "1"


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A sold ticket and its holder."""

    body: TicketBody
    text: str
    document: str
    name: str
    day_key: Callable[[datetime], bytes]

    def code(self, moment: datetime) -> str:
        """What the visitor's phone shows at a moment."""
        key = rotating.ticket_key(
            self.day_key(moment), ticket_id=self.body.ticket_id, generation=self.body.generation
        )
        return self.text + rotating.tail(key, rotating.step_at(moment))


class DemoServer:
    """Sells tickets, tells the gate of them, and takes its journal; it decides nothing.

    It is the gate's `Transport`, so there is no network to be set up; every answer is signed as a
    server's is. While `down`, nobody answers.
    """

    def __init__(self, rng: random.Random, *, lanes: int) -> None:
        self._rng = rng
        self._server_key = SigningKey(rng.randbytes(32))
        self._signing_key = SigningKey(rng.randbytes(32))
        self._document_key = rng.randbytes(32)
        self._rows: list[TicketRow] = []
        self._numbers = itertools.count(1)
        self.down = False
        self.journal_rows = 0
        self._days = {
            (clock.today(TIMEZONE) + timedelta(days=days)).isoformat(): rng.randbytes(32)
            for days in (-1, 0, 1)
        }
        self.setup = self._setup(lanes)

    def _setup(self, lanes: int) -> Setup:
        gate = {"zh-CN": "演示门", "en": "Demo gate"}
        site = PlaceInfo(number=_SITE, name={"zh-CN": "演示景区", "en": "Demo park"})
        return Setup(
            timezone=TIMEZONE,
            site=site,
            entrance=_ENTRANCE,
            zone=_ZONE,
            lanes=[
                LaneInfo(
                    id=UUID(int=self._rng.getrandbits(128)),
                    number=number,
                    name={"zh-CN": f"{number}号通道", "en": f"Lane {number}"},
                    direction="in",
                    open=True,
                )
                for number in range(1, lanes + 1)
            ],
            sites=[site],
            zones=[PlaceInfo(number=_ZONE, name=site.name)],
            entrances=[EntranceInfo(number=_ENTRANCE, name=gate, zone=_ZONE)],
            types=[
                TypeInfo(number=ADULT, name={"zh-CN": "成人票", "en": "Adult"}, audience="adult"),
                TypeInfo(
                    number=FAMILY, name={"zh-CN": "家庭票", "en": "Family"}, audience="family"
                ),
            ],
            zone_states=[],
            rules=Rules(passage_seconds=PASSAGE_SECONDS, repeat_seconds=1),
            signing_keys={1: self._signing_key.verify_key.encode()},
            day_keys=self._days,
            document_key=self._document_key,
            blocked=[],
        )

    def enrol(self, folder: Path) -> None:
        """Make the gate of a folder one of ours."""
        made = Device(
            url="http://demo.invalid",
            tenant=_TENANT,
            device_id=UUID(int=self._rng.getrandbits(128)),
            key=self._rng.randbytes(32),
            server_key=self._server_key.verify_key.encode(),
            name="demo",
        )
        device.save(folder, made)

    def sell(
        self, *, party: int = 1, second_factor: bool = False, document: str, name: str
    ) -> Ticket:
        """Sell a ticket of today whose code changes."""
        now = clock.now()
        body = TicketBody(
            key_id=1,
            site_number=_SITE,
            ticket_id=UUID(int=self._rng.getrandbits(128)),
            generation=0,
            ticket_type_number=FAMILY if party > 1 else ADULT,
            party_size=party,
            entries=1,
            valid_from=now - timedelta(hours=1),
            valid_until=now + timedelta(hours=8),
            zones=1 << _ZONE,
            rotating=True,
            second_factor=second_factor,
        )
        text = token.issue(body, self._signing_key)
        holders = Holders([f"{name[0]}*"] * party)
        number = f"{clock.today(TIMEZONE):%y%m%d}{next(self._numbers):010d}-0"
        self._rows.append(
            TicketRow(
                id=body.ticket_id.bytes,
                number=number,
                type_number=body.ticket_type_number,
                generation=0,
                status="valid",
                valid_from=_ms(body.valid_from),
                valid_until=_ms(body.valid_until),
                party_size=party,
                entries=1,
                zones=body.zones,
                flags=body.flags,
                persons_entered=0,
                persons_inside=0,
                last_entered_at=None,
                last_entrance=None,
                sealed=protocol.seal(protocol.seal_key(text), holders),
                documents=[
                    (
                        protocol.document_mark(self._document_key, document),
                        protocol.seal(
                            protocol.document_seal_key(self._document_key, document), holders
                        ),
                    )
                ],
            )
        )
        return Ticket(body, text, document, name, self._day_key)

    def forge(self, ticket: Ticket) -> str:
        """A ticket that somebody else has signed."""
        key = SigningKey(self._rng.randbytes(32))
        return token.issue(ticket.body, key)

    def _day_key(self, moment: datetime) -> bytes:
        return self._days[clock.local(moment, TIMEZONE).date().isoformat()]

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """Answer as a server does; raises Unreachable."""
        del method, seconds
        url = urlsplit(path)
        if self.down:
            raise Unreachable("The demo server is off.")
        if url.path == protocol.PATH_DECIDE:
            raise Unreachable("The demo server decides nothing.")
        if url.path == protocol.PATH_CHANGES:
            answer: object = self._changes(parse_qs(url.query))
        elif url.path == protocol.PATH_JOURNAL:
            answer = self._take(body)
        else:
            answer = HealthAnswer(server_time=_ms(clock.now()))
        packed = encode(answer)
        message = protocol.answer_message(
            count=headers[protocol.HEADER_COUNT],
            nonce=headers[protocol.HEADER_NONCE],
            status=HTTPStatus.OK,
            body=packed,
        )
        signature = protocol.sign(self._server_key, message)
        return Reply(HTTPStatus.OK, {protocol.HEADER_SIGNATURE.lower(): signature}, packed)

    async def close(self) -> None:
        """Nothing is open."""

    def _changes(self, query: Mapping[str, list[str]]) -> Changes:
        since = query.get("since", [""])[0]
        digest = hashlib.sha256(encode(self.setup)).hexdigest()
        known = query.get("setup", [""])[0] == digest
        return Changes(
            mark=str(len(self._rows)),
            more=False,
            fresh=not since,
            server_time=_ms(clock.now()),
            setup=None if known else self.setup,
            setup_digest=digest,
            tickets=self._rows[int(since or 0) :],
        )

    def _take(self, body: bytes) -> JournalReceipt:
        rows = msgspec.msgpack.decode(body, type=JournalUpload).rows
        self.journal_rows = max([self.journal_rows, *(row.seq for row in rows)])
        return JournalReceipt(through=self.journal_rows)


class Nobody:
    """A network with nobody at its other end."""

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """Nobody answers."""
        del method, path, headers, body, seconds
        raise Unreachable("The gate was started without network.")

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something that a visitor does, and what should come of it."""

    expect: str
    """The reason of a refusal, or passed, or given_back."""
    text: Callable[[], str] | None = None
    """The code that is shown, made at that moment."""
    card: str = ""
    walks: int = 0
    """So many go through when the barrier opens."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who comes to the gate."""

    what: str
    attempts: list[Attempt]

    @classmethod
    def by_number(cls, number: str) -> "Visitor":
        """Somebody whose ticket's short number is typed."""
        return cls(f"ticket {number}", [Attempt("passed", text=lambda: number, walks=99)])


_SCREENSHOT_AGE = timedelta(minutes=5)
_SURNAMES = "赵钱孙李周吴郑王冯陈"


def crowd(server: DemoServer, rng: random.Random, count: int) -> list[Visitor]:
    """So many visitors of all kinds, and what should happen to each."""
    kinds = (_plain, _family, _screenshot, _second_factor, _again, _forged, _turns_away, _card_only)
    weights = (50, 14, 8, 8, 6, 4, 5, 5)
    # One of each kind first: a short run shows everything too.
    made = rng.sample(kinds, min(count, len(kinds)))
    made += rng.choices(kinds, weights, k=count - len(made))
    return [make(server, rng, index) for index, make in enumerate(made)]


def _sell(
    server: DemoServer, rng: random.Random, index: int, *, party: int = 1, strict: bool = False
) -> Ticket:
    name = rng.choice(_SURNAMES) + "某"
    return server.sell(party=party, second_factor=strict, document=id_number(index), name=name)


def id_number(index: int) -> str:
    """An identity number that is right in itself and belongs to nobody: of the year 1900."""
    digits = f"110101190001{1 + index // 1000 % 28:02d}{index % 1000:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
    return digits + "10X98765432"[total % 11]


def _plain(server: DemoServer, rng: random.Random, index: int) -> Visitor:
    ticket = _sell(server, rng, index)
    return Visitor("one person", [Attempt("passed", lambda: ticket.code(clock.now()), walks=1)])


def _family(server: DemoServer, rng: random.Random, index: int) -> Visitor:
    party = rng.randint(2, 4)
    ticket = _sell(server, rng, index, party=party)
    shown = Attempt("passed", lambda: ticket.code(clock.now()), walks=party)
    return Visitor(f"a family of {party}", [shown])


def _screenshot(server: DemoServer, rng: random.Random, index: int) -> Visitor:
    ticket = _sell(server, rng, index)
    old = Attempt("code_stale", lambda: ticket.code(clock.now() - _SCREENSHOT_AGE))
    new = Attempt("passed", lambda: ticket.code(clock.now()), walks=1)
    return Visitor("a screenshot, then the ticket", [old, new])


def _second_factor(server: DemoServer, rng: random.Random, index: int) -> Visitor:
    ticket = _sell(server, rng, index, strict=True)
    code = Attempt("document_required", lambda: ticket.code(clock.now()))
    return Visitor(
        "a code, then the card", [code, Attempt("passed", card=ticket.document, walks=1)]
    )


def _again(server: DemoServer, rng: random.Random, index: int) -> Visitor:
    ticket = _sell(server, rng, index)
    first = Attempt("passed", lambda: ticket.code(clock.now()), walks=1)
    # A scanner that sees the very same text at once takes it for one scan; a friend shows paper.
    friend = Attempt("already_used", lambda: ticket.text)
    return Visitor("one ticket for two people", [first, friend])


def _forged(server: DemoServer, rng: random.Random, index: int) -> Visitor:
    ticket = _sell(server, rng, index)
    return Visitor("a forged ticket", [Attempt("bad_signature", lambda: server.forge(ticket))])


def _turns_away(server: DemoServer, rng: random.Random, index: int) -> Visitor:
    ticket = _sell(server, rng, index)
    away = Attempt("given_back", lambda: ticket.code(clock.now()))
    back = Attempt("passed", card=ticket.document, walks=1)
    return Visitor("turns away, then comes back", [away, back])


def _card_only(server: DemoServer, rng: random.Random, index: int) -> Visitor:
    ticket = _sell(server, rng, index)
    return Visitor("an identity card alone", [Attempt("passed", card=ticket.document, walks=1)])
