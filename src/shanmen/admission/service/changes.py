"""What a gate is told of tickets and of its place, since it last asked.

What is read and what is made of it are apart: the reading is one short transaction; signing and
sealing thousands of tickets is arithmetic, and runs beside the event loop.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shanmen.admission import protocol
from shanmen.admission.protocol import (
    Changes,
    DocumentKey,
    Holders,
    Instant,
    Setup,
    TicketCount,
    TicketRow,
)
from shanmen.admission.service import setup as place
from shanmen.admission.service.devices import Device, document_key
from shanmen.admission.service.setup import SetupFacts
from shanmen.db.pipeline import Statement, array, run
from shanmen.db.session import Session
from shanmen.kit import clock, documents
from shanmen.kit.crypto import Keyring
from shanmen.tickets import feed, token
from shanmen.tickets.feed import FeedTicket
from shanmen.tickets.gate import NAME_FIELD
from shanmen.tickets.keys import signing_key
from shanmen.tickets.zones import several, windows_from

DOCUMENT_FIELD = "holder.document"
_MS = 1000

USED = """
SELECT s.ticket_id,
    max(s.at) FILTER (WHERE s.direction = 'in' AND s.undone_at IS NULL),
    (array_agg(s.entrance_id ORDER BY s.at DESC)
        FILTER (WHERE s.direction = 'in' AND s.undone_at IS NULL))[1],
    coalesce(sum(CASE s.direction WHEN 'in' THEN s.persons ELSE -s.persons END)
        FILTER (WHERE s.undone_at IS NULL AND s.at >= %(since)s), 0),
    coalesce(sum(CASE s.direction WHEN 'in' THEN s.persons ELSE -s.persons END)
        FILTER (WHERE s.undone_at IS NULL AND s.at >= %(since)s
            AND s.entrance_id = ANY(%(entrances)s)), 0),
    coalesce(sum(s.persons) FILTER (WHERE s.direction = 'in' AND s.undone_at IS NULL
        AND s.entrance_id = ANY(%(entrances)s)), 0),
    coalesce(sum(s.gate_persons) FILTER (WHERE s.device_id = %(device)s AND s.direction = 'in'), 0),
    coalesce(sum(CASE s.direction WHEN 'in' THEN s.gate_persons ELSE -s.gate_persons END)
        FILTER (WHERE s.device_id = %(device)s AND s.at >= %(since)s), 0)
FROM scan s
WHERE s.tenant_id = %(tenant)s AND s.ticket_id = ANY(%(ids)s::uuid[]) AND s.persons > 0
GROUP BY s.ticket_id
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What a ticket was used for, as one gate must hear it."""

    last_at: datetime | None = None
    entrance_id: UUID | None = None
    inside: int = 0
    inside_zone: int = 0
    entered_zone: int = 0
    entered_here: int = 0
    inside_here: int = 0

    def entered(self, ticket: FeedTicket) -> int:
        """How many entries count at the gate: of a ticket for several zones those into its own."""
        return self.entered_zone if several(ticket.zones) else ticket.persons_entered

    @property
    def last_ms(self) -> Instant | None:
        """When somebody entered last."""
        return None if self.last_at is None else _ms(self.last_at)


@dataclass(frozen=True, slots=True)
class Read:
    """Everything that one answer is made of."""

    keyring: Keyring
    facts: SetupFacts
    tickets: Sequence[FeedTicket]
    counted: Sequence[FeedTicket]
    """Tickets of which nothing is told but how often they were used."""
    holders: Mapping[UUID, Sequence[tuple[bytes, bytes]]]
    """Name and document, both encrypted."""
    used: Mapping[UUID, Used]
    mark: str
    more: bool
    fresh: bool
    at: datetime = field(default_factory=clock.now)


async def read_changes(
    session: Session,
    *,
    device: Device,
    since: str,
    counts: bool = False,
    room: int = 0,
    count: int = 0,
    limit: int = protocol.ROWS_AT_ONCE,
) -> Read:
    """Read what changed for a gate since its mark, at most `limit` tickets of it.

    With `counts`, of tickets that were only used it is given no more than how often. `room` is how
    many it may let into its zone alone if it does not get this answer, `count` is the request's.
    """
    tenant = session.tenant_id
    seen, *about = await run(
        session, [Statement(feed.SNAPSHOT), *place.statements(tenant, device=device)]
    )
    facts = await place.facts(session, about, device=device)
    asked = feed.page(
        tenant,
        device.site_id,
        mark=_mark_of(since, turn=facts.turn),
        seen=feed.snapshot(seen),
        limit=limit,
    )
    [rows] = await run(session, [asked.statement])
    found, mark, more = feed.read_page(asked, rows)
    counted = [ticket for ticket in found if counts and ticket.counted]
    tickets = [ticket for ticket in found if not (counts and ticket.counted)]
    holders: dict[UUID, list[tuple[bytes, bytes]]] = defaultdict(list)
    used: dict[UUID, Used] = {}
    if found:
        people, scans = await run(
            session,
            [
                feed.holders_statement(tenant, [ticket.id for ticket in tickets]),
                Statement(
                    USED,
                    {
                        "tenant": tenant,
                        "ids": array(ticket.id for ticket in found),
                        "since": clock.now() - place.REMEMBER_INSIDE,
                        "entrances": list(facts.zone_entrances),
                        "device": device.id,
                    },
                ),
            ],
        )
        for ticket_id, name, document in people:
            holders[ticket_id].append((name, document))
        used = {row[0]: Used(*row[1:]) for row in scans}
    await place.note_share(session, device=device, facts=facts, room=room, count=count)
    return Read(
        keyring=session.keyring,
        facts=facts,
        tickets=tickets,
        counted=counted,
        holders=holders,
        used=used,
        mark=f"{facts.turn}.{mark.text}",
        more=more,
        fresh=asked.first and asked.mark.all,
    )


def _mark_of(since: str, *, turn: int) -> feed.Mark | None:
    """How far a gate has come; None where it has to be told all, under a new key."""
    known, _, mark = since.partition(".")
    return feed.read_mark(mark) if known == str(turn) else None


def packed(read: Read, known_digest: str) -> bytes:
    """The answer as it goes over the wire."""
    return protocol.encode(changes(read, known_digest))


def changes(read: Read, known_digest: str) -> Changes:
    """The answer; the place's setup is in it where the gate knows another one."""
    setup = place.setup(read.facts, keyring=read.keyring, now=read.at)
    digest = digest_of(setup)
    rows = _Rows(read)
    return Changes(
        mark=read.mark,
        more=read.more,
        fresh=read.fresh,
        server_time=int(read.at.timestamp() * _MS),
        setup=None if digest == known_digest else setup,
        setup_digest=digest,
        tickets=[rows.row(ticket) for ticket in read.tickets],
        counts=[rows.count(ticket) for ticket in read.counted],
        zone_states=list(read.facts.zone_states),
    )


def digest_of(setup: Setup) -> str:
    """What a gate names the setup by that it has."""
    return hashlib.sha256(protocol.encode(setup)).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Alike:
    """What tickets have in common that were sold for the same time, in the same way."""

    type_number: int
    generation: int
    valid_from: Instant
    valid_until: Instant
    static_code: str
    windows: tuple[tuple[int, Instant, Instant], ...]
    signed: Callable[[UUID], bytes]
    """The signature in the code of one of them, as it is shown now (`orders.service.codes`)."""


class _Rows:
    """Makes the rows of tickets; a loop over thousands, so what is common is kept."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.keyring = read.keyring
        self.key_id, self.key = signing_key(read.keyring)
        facts = read.facts
        self.document_key = DocumentKey(
            document_key(read.keyring, facts.device.site_id, facts.turn)
        )
        self.types = {kind.id: kind.number for kind in read.facts.catalog.types.values()}
        self.entrances: dict[UUID | None, int] = {
            place.entrance_id: place.entrance_number for place in read.facts.places
        }
        self.known: dict[tuple[object, ...], _Alike] = {}

    def row(self, ticket: FeedTicket) -> TicketRow:
        """One ticket, sealed."""
        alike = self.alike(ticket)
        used = self.read.used.get(ticket.id, _UNUSED)
        names = []
        sealed_documents = []
        for name, document in self.read.holders.get(ticket.id, ()):
            masked = documents.mask_name(self.keyring.decrypt(name, field=NAME_FIELD))
            number = self.keyring.decrypt(document, field=DOCUMENT_FIELD)
            names.append(masked)
            key = self.document_key.seal_key(number)
            sealed_documents.append(
                (self.document_key.mark(number), protocol.seal(key, Holders([masked])))
            )
        sealed = b""
        if names:
            key = protocol.seal_key_of(alike.signed(ticket.id))
            sealed = protocol.seal(key, Holders(names))
        return TicketRow(
            ticket.id.bytes,
            f"{ticket.order_number}-{ticket.seq}",
            alike.type_number,
            alike.generation,
            ticket.status,
            alike.valid_from,
            alike.valid_until,
            ticket.party_size,
            ticket.entries,
            ticket.zones,
            ticket.flags,
            used.entered(ticket),
            used.inside,
            used.last_ms,
            self.entrances.get(used.entrance_id),
            sealed,
            sealed_documents,
            used.entered_here,
            used.inside_here,
            used.inside_zone,
            alike.static_code,
            alike.windows,
        )

    def count(self, ticket: FeedTicket) -> TicketCount:
        """How often a ticket was used."""
        used = self.read.used.get(ticket.id, _UNUSED)
        return TicketCount(
            ticket.id.bytes,
            ticket.status,
            used.entered(ticket),
            used.inside,
            used.last_ms,
            self.entrances.get(used.entrance_id),
            used.entered_here,
            used.inside_here,
            used.inside_zone,
        )

    def alike(self, ticket: FeedTicket) -> _Alike:
        """What a ticket has in common with others; most of a day's tickets are of few kinds."""
        about = (
            ticket.ticket_type_id,
            ticket.channel,
            ticket.valid_from,
            ticket.valid_until,
            ticket.party_size,
            ticket.entries,
            ticket.zones,
            ticket.flags,
            ticket.generation,
            ticket.windows,
        )
        found = self.known.get(about)
        if found is None:
            found = self.known[about] = self._alike(ticket)
        return found

    def _alike(self, ticket: FeedTicket) -> _Alike:
        body = token.TicketBody.of_ticket(
            key_id=self.key_id,
            site_number=self.read.facts.device.site_number,
            ticket_id=ticket.id,
            generation=ticket.generation,
            ticket_type_number=self.types.get(ticket.ticket_type_id, 0),
            party_size=ticket.party_size,
            entries=ticket.entries,
            valid_from=ticket.valid_from,
            valid_until=ticket.valid_until,
            zones=ticket.zones,
            flags=ticket.flags,
        )
        policy = self.read.facts.policy
        return _Alike(
            type_number=body.ticket_type_number,
            generation=body.generation,
            valid_from=_ms(ticket.valid_from),
            valid_until=_ms(ticket.valid_until),
            static_code=policy.static_rule(ticket.ticket_type_id, ticket.channel),
            windows=tuple(
                (each.zone, _ms(each.starts), _ms(each.ends))
                for each in windows_from(ticket.windows)
            ),
            signed=token.signer(body, self.key),
        )


_UNUSED = Used()


def _ms(instant: datetime) -> Instant:
    return round(instant.timestamp() * _MS)
