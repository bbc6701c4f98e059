"""Journals merged piece by piece: however they are cut and repeated, they come to the same."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from shanmen.admission.protocol import JournalRow
from shanmen.admission.records import ScanRecord
from shanmen.admission.rules import CaseKind
from shanmen.admission.service.devices import Device
from shanmen.admission.service.merged import Merge, counted
from shanmen.tickets.gate import GateTicket

NOW = datetime(2026, 5, 1, 4, tzinfo=UTC)
MS = int(NOW.timestamp() * 1000)
DEVICE = Device(
    UUID(int=1), "gate", b"", False, UUID(int=2), UUID(int=3), 1, UUID(int=4), 0, 1,
    "Asia/Shanghai", [UUID(int=9)],
)  # fmt: skip
TICKETS = {
    UUID(int=100 + n): GateTicket(
        UUID(int=100 + n), "2605010000000000", n, DEVICE.site_id, UUID(int=5), UUID(int=6),
        NOW, NOW, 1 + n, 1, 1, 0, 0, "valid", 0, None,
    )
    for n in range(3)
}  # fmt: skip

STEPS = st.sampled_from(
    ["admitted", "refused", "passed", "given_back", "override", "undone", "corrected", "emergency"]
)
ROWS = st.lists(
    st.tuples(
        STEPS,
        st.integers(0, 3),
        st.integers(0, 2),
        st.integers(-3, 3),
        st.sampled_from(["in", "out"]),
    ),
    max_size=12,
)


def journal(drawn: Sequence[tuple[str, int, int, int, str]]) -> list[JournalRow]:
    return [
        JournalRow(
            seq=seq,
            scan_id=UUID(int=1000 + scan),
            step=step,  # type: ignore[arg-type]
            at=MS,
            skew_ms=0,
            lane_id=UUID(int=9),
            direction=direction,  # type: ignore[arg-type]
            ticket_id=UUID(int=100 + ticket).bytes,
            persons=persons,
            reason="x",
        )
        for seq, (step, scan, ticket, persons, direction) in enumerate(drawn, 1)
    ]


OWN, OTHER = b"o" * 16, b"x" * 16
BESIDE_A_CODE = JournalRow(
    seq=1,
    scan_id=UUID(int=1000),
    step="admitted",
    at=MS,
    skew_ms=0,
    lane_id=UUID(int=9),
    ticket_id=UUID(int=100).bytes,
    persons=1,
    document_mark=OTHER,
)


@pytest.mark.parametrize(
    ("changed", "index", "opened"),
    [
        ({}, None, True),
        ({"document_mark": OWN}, 77, False),
        ({"document_mark": None}, None, False),
        # A ticket that names nobody.
        ({"ticket_id": UUID(int=101).bytes}, None, False),
        # The document itself led to the ticket; the server has compared it; whoever leaves.
        ({"method": "document"}, None, False),
        ({"decided_by": "server"}, None, False),
        ({"direction": "out"}, None, False),
        ({"step": "override"}, None, False),
    ],
)
def test_a_document_that_the_gate_could_not_compare(changed, index, opened):
    work = Merge(
        device=DEVICE,
        now=NOW,
        scans={},
        tickets=TICKETS,
        blocked=frozenset(),
        types_by_number={},
        holders={UUID(int=100): {OWN: 77}},
    )
    work.take(structs.replace(BESIDE_A_CODE, **changed))
    cases = [case.kind for case in work.conflicts(work.uses())]
    assert cases == ([CaseKind.DOCUMENT_MISMATCH] if opened else [])
    assert [scan.document_index for scan in work.new] == [index]


def test_nobody_is_missed_who_was_given_back_first():
    """Who passes after the time was over is counted again, and is looked at again."""
    scans: dict[UUID, ScanRecord] = {}
    opened = []
    for steps in (["admitted", "given_back"], ["corrected"]):
        work = Merge(
            device=DEVICE,
            now=NOW,
            scans=dict(scans),
            tickets=TICKETS,
            blocked=frozenset(),
            types_by_number={},
            holders={UUID(int=100): {OWN: 77}},
        )
        for step in steps:
            work.take(structs.replace(BESIDE_A_CODE, step=step))
        opened.append([case.kind for case in work.conflicts(work.uses())])
        scans = work.scans
    assert opened == [[], [CaseKind.DOCUMENT_MISMATCH]]


class Server:
    """Scans and counters as the database keeps them between uploads."""

    def __init__(self) -> None:
        self.scans: dict[UUID, ScanRecord] = {}
        self.tickets = dict(TICKETS)

    def upload(self, rows: Sequence[JournalRow]) -> None:
        work = Merge(
            device=DEVICE,
            now=NOW,
            scans=dict(self.scans),
            tickets=self.tickets,
            blocked=frozenset(),
            types_by_number={},
        )
        for row in rows:
            work.take(row)
        uses = work.uses()
        work.conflicts(uses)
        for use in uses:
            ticket = self.tickets[use.ticket_id]
            entered = ticket.persons_entered + use.persons
            self.tickets[use.ticket_id] = replace(ticket, persons_entered=entered)
        for scan in [*work.new, *work.changes]:
            # What the table's constraint asks.
            assert (scan.outcome == "admitted") == (scan.persons > 0)
            self.scans[scan.id] = scan


@given(drawn=ROWS, cuts=st.sets(st.integers(1, 11)))
@example(drawn=[("emergency", 0, 0, 1, "in"), ("admitted", 0, 0, 1, "in")], cuts={1})
def test_the_pieces_come_to_the_whole(drawn, cuts):
    rows = journal(drawn)
    whole, pieces = Server(), Server()
    whole.upload(rows)
    start = 0
    for end in [*sorted(cut for cut in cuts if cut < len(rows)), len(rows)]:
        pieces.upload(rows[start:end])
        start = end
    assert pieces.scans == whole.scans
    assert pieces.tickets == whole.tickets


@given(drawn=ROWS)
def test_counters_are_what_the_scans_come_to(drawn):
    server = Server()
    server.upload(journal(drawn))
    for ticket in server.tickets.values():
        entered = sum(
            counted(scan)
            for scan in server.scans.values()
            if scan.ticket_id == ticket.id and scan.direction == "in"
        )
        assert ticket.persons_entered == entered
    assert all(scan.gate_persons >= 0 for scan in server.scans.values())
