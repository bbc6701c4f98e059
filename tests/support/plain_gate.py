"""A gate that speaks the protocol and nothing more: for tests of the server's side."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from shanmen.admission import protocol
from shanmen.admission.protocol import (
    Answer,
    AskRequest,
    Changes,
    Enrolled,
    EnrolRequest,
    Health,
    HealthAnswer,
    JournalReceipt,
    JournalRow,
    JournalUpload,
    Refusal,
    TicketRow,
)
from shanmen.kit import clock, ids


class Refused(Exception):
    """The server's refusal, signed."""

    def __init__(self, status: int, refusal: Refusal) -> None:
        super().__init__(f"{status} {refusal.code}")
        self.status, self.code, self.refusal = status, refusal.code, refusal


def ms() -> int:
    return clock.unix_ns() // 1_000_000


@dataclass
class PlainGate:
    """One gate; `http` reaches the application."""

    http: httpx.AsyncClient
    key: SigningKey = field(default_factory=SigningKey.generate)
    enrolled: Enrolled | None = None
    skew_ms: int = 0
    mark: str = ""
    digest: str = ""
    tickets: dict[bytes, TicketRow] = field(default_factory=dict)
    setup: protocol.Setup | None = None
    zones: dict[int, protocol.ZoneState] = field(default_factory=dict)
    seq: int = 0
    pages: int = 0
    count: int = 0

    @property
    def device_id(self) -> UUID:
        assert self.enrolled
        return self.enrolled.device_id

    async def send(self, method: str, path: str, body: bytes = b"", **changed: str) -> bytes:
        """A signed request; headers may be spoiled by name."""
        nonce, at = ids.new_id().hex, str(ms() + self.skew_ms)
        self.count += bool(self.enrolled)
        count = str(self.count)
        message = protocol.request_message(
            method=method, path=path, at=at, count=count, nonce=nonce, body=body
        )
        header = ""
        if self.enrolled:
            header = protocol.device_header(self.enrolled.tenant, self.enrolled.device_id)
        headers = {
            protocol.HEADER_DEVICE: header,
            protocol.HEADER_TIME: at,
            protocol.HEADER_COUNT: count,
            protocol.HEADER_NONCE: nonce,
            protocol.HEADER_SIGNATURE: protocol.sign(self.key, message),
            "content-type": protocol.MEDIA_TYPE,
            "accept": protocol.MEDIA_TYPE,
        } | {name.replace("_", "-"): value for name, value in changed.items()}
        answer = await self.http.request(method, path, content=body, headers=headers)
        if self.enrolled:
            self.check(answer, headers, self.enrolled.server_key)
        if answer.status_code != 200:
            refusal = msgspec.msgpack.decode(answer.content, type=Refusal)
            raise Refused(answer.status_code, refusal)
        return answer.content

    @staticmethod
    def check(answer: httpx.Response, asked: Mapping[str, str], server_key: bytes) -> None:
        message = protocol.answer_message(
            count=asked[protocol.HEADER_COUNT],
            nonce=asked[protocol.HEADER_NONCE],
            status=answer.status_code,
            body=answer.content,
        )
        signature = bytes.fromhex(answer.headers.get(protocol.HEADER_SIGNATURE, ""))
        try:
            VerifyKey(server_key).verify(message, signature)
        except BadSignatureError as error:
            raise AssertionError("The server's answer is not signed by its key.") from error

    async def ask(self, path: str, question: msgspec.Struct, kind: type[Any]) -> Any:
        content = await self.send("POST", path, protocol.encode(question))
        return msgspec.msgpack.decode(content, type=kind)

    async def enrol(self, code: str, *, name: str = "gate") -> Enrolled:
        """With the text that the console shows: the code and the fingerprint."""
        secret, _, fingerprint = code.rpartition("-")
        wish = EnrolRequest(
            code=secret,
            public_key=self.key.verify_key.encode(),
            name=name,
            version="test",
        )
        enrolled: Enrolled = await self.ask(protocol.PATH_ENROL, wish, Enrolled)
        assert protocol.fingerprint(enrolled.server_key) == fingerprint
        self.enrolled = enrolled
        return enrolled

    async def sync(self) -> None:
        """Fetch until there is nothing more."""
        more = True
        while more:
            path = f"{protocol.PATH_CHANGES}?since={self.mark}&setup={self.digest}"
            content = await self.send("GET", path)
            changes = msgspec.msgpack.decode(content, type=Changes)
            if changes.fresh:
                self.tickets.clear()
            for row in changes.tickets:
                self.tickets[row.id] = row
            if changes.setup is not None:
                self.setup = changes.setup
            self.zones = {state.number: state for state in changes.zone_states}
            self.mark, self.digest, more = changes.mark, changes.setup_digest, changes.more
            self.pages += 1

    async def decide(self, lane_id: UUID, code: str, **more: Any) -> Answer:
        wish = AskRequest(**{"scan_id": ids.new_id(), "lane_id": lane_id, "code": code, **more})
        answer: Answer = await self.ask(protocol.PATH_DECIDE, wish, Answer)
        return answer

    def row(self, lane_id: UUID, step: str, ticket_id: UUID | None = None, **more: Any) -> Any:
        """The next row of its journal."""
        self.seq += 1
        values: dict[str, Any] = {
            "seq": self.seq,
            "scan_id": ids.new_id(),
            "step": step,
            "at": ms() + self.skew_ms,
            "skew_ms": self.skew_ms,
            "lane_id": lane_id,
            "ticket_id": ticket_id.bytes if ticket_id else None,
            "persons": 1 if step in {"admitted", "override"} else 0,
        }
        return JournalRow(**(values | more))

    async def upload(self, *rows: JournalRow) -> JournalReceipt:
        receipt: JournalReceipt = await self.ask(
            protocol.PATH_JOURNAL, JournalUpload(list(rows)), JournalReceipt
        )
        return receipt

    async def health(self, *, done: Iterable[UUID] = (), **more: Any) -> HealthAnswer:
        values: dict[str, Any] = {
            "at": ms(),
            "version": "1",
            "queue": 0,
            "skew_ms": self.skew_ms,
            "tickets": len(self.tickets),
            "mark": self.mark,
            "started_at": ms(),
            "done": list(done),
        }
        told = Health(**(values | more))
        answer: HealthAnswer = await self.ask(protocol.PATH_HEALTH, told, HealthAnswer)
        return answer
