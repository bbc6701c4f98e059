"""Merging the journals of gates: each row once, and what does not fit becomes a case."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec import structs
from sqlalchemy import text

from shanmen.admission import service
from shanmen.admission.protocol import document_mark
from shanmen.admission.service import devices, journal
from shanmen.db.session import Database, Session
from shanmen.kit import clock, ids
from tests.admission.conftest import CHIEF, Made
from tests.admission.gatehouse import Gatehouse
from tests.support.desk import Desk
from tests.support.park import fresh_people, id_number, make_park
from tests.support.plain_gate import Refused


async def scan(house: Gatehouse, scan_id: UUID) -> Any:
    [row] = await house.rows("SELECT * FROM scan WHERE id = :i", i=scan_id)
    return row


async def counted(house: Gatehouse, made: Made) -> int:
    """What the scans of a ticket come to: it must be what its counter says."""
    [(persons,)] = await house.rows(
        "SELECT coalesce(sum(persons), 0) FROM scan WHERE ticket_id = :t AND direction = 'in' "
        "AND undone_at IS NULL",
        t=made.id,
    )
    assert persons == await house.entered(made)
    return int(persons)


async def test_a_row_counts_once_however_often_it_comes(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(), await house.gate()
        row = gate.row(gates.east, "admitted", made.id, generation=0)
        passed = gate.row(gates.east, "passed", made.id, scan_id=row.scan_id, persons=1)
        for _ in range(3):
            assert (await gate.upload(row, passed)).through == 2
        assert await counted(house, made) == 1
        more = gate.row(gates.east, "refused", made.id, reason="already_used")
        # An upload whose answer was lost is sent again together with what came after it.
        assert (await gate.upload(row, passed, more)).through == 3
        assert await house.rows("SELECT count(*) FROM gate_journal") == [(3,)]
        assert await house.cases() == []
        await gate.sync()
        assert gate.tickets[made.id.bytes].entered_here == 1
        assert gate.tickets[made.id.bytes].persons_entered == 1


async def test_the_journal_of_a_long_day_comes_to_the_same_as_its_rows(house: Gatehouse):
    gates, many = house.gates, journal.AT_ONCE + 20
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(entries=0), await house.gate()
        rows = [gate.row(gates.east, "admitted", made.id, generation=0) for _ in range(many)]
        rows += [gate.row(gates.east, "given_back", made.id, scan_id=rows[0].scan_id, persons=1)]
        rows += [gate.row(gates.east, "refused", made.id, reason="too_soon")]
        for _ in range(2):
            assert (await gate.upload(*rows)).through == many + 2
        assert await counted(house, made) == many - 1
        assert await house.rows("SELECT count(*) FROM gate_journal") == [(many + 2,)]
        assert (await scan(house, rows[-1].scan_id)).reason == "too_soon"
        assert await house.cases() == []


async def test_a_gap_is_not_taken(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(), await house.gate()
        first = gate.row(gates.east, "refused", made.id)
        second = gate.row(gates.east, "admitted", made.id)
        with pytest.raises(Refused) as refused:
            await gate.upload(second)
        assert (refused.value.status, refused.value.code) == (409, "admission.journal_gap")
        assert refused.value.refusal.detail == "1"
        assert await counted(house, made) == 0
        assert (await gate.upload(first, second)).through == 2
        assert (await gate.upload()).through == 2


async def test_both_times_are_kept(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(), await house.gate()
        gate.skew_ms = 90_000
        row = gate.row(gates.east, "admitted", made.id)
        await gate.upload(row)
        found = await scan(house, row.scan_id)
        assert (found.at, found.gate_at) == (gates.at(11), gates.at(11) + timedelta(seconds=90))
        broken = gate.row(gates.east, "refused", made.id, at=1, skew_ms=0)
        ahead = gate.row(gates.east, "refused", made.id, at=9_999_999_999_999_999, skew_ms=0)
        await gate.upload(broken, ahead)
        assert (await scan(house, ahead.scan_id)).at <= clock.now()


async def test_given_back_and_undone(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket("family"), await house.gate()
        row = gate.row(gates.east, "admitted", made.id, persons=3)
        await gate.upload(row, gate.row(gates.east, "given_back", scan_id=row.scan_id, persons=2))
        assert await counted(house, made) == 1
        await gate.upload(gate.row(gates.east, "given_back", scan_id=row.scan_id, persons=1))
        assert await counted(house, made) == 0
        again = gate.row(gates.east, "admitted", made.id, persons=3)
        undone = gate.row(
            gates.east, "undone", scan_id=again.scan_id, persons=3, staff="Gao", reason="wrong"
        )
        await gate.upload(again, undone)
        assert await counted(house, made) == 0
        found = await scan(house, again.scan_id)
        assert (found.undone_by, found.undo_reason, found.gate_persons) == ("Gao", "wrong", 0)


async def test_corrections_after_a_crash(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket("family"), await house.gate()
        row = gate.row(gates.east, "admitted", made.id, persons=3)
        lost = gate.row(gates.east, "given_back", scan_id=row.scan_id, persons=3)
        await gate.upload(row, lost)
        await gate.upload(gate.row(gates.east, "corrected", scan_id=row.scan_id, persons=2))
        assert await counted(house, made) == 2
        await gate.upload(gate.row(gates.east, "corrected", scan_id=row.scan_id, persons=-1))
        assert await counted(house, made) == 1
        await gate.sync()
        assert gate.tickets[made.id.bytes].entered_here == 1


async def test_an_override_at_the_gate(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(entered=1, status="used"), await house.gate()
        row = gate.row(gates.east, "refused", made.id, reason="already_used")
        await gate.upload(row)
        over = gate.row(
            gates.east, "override", made.id, scan_id=row.scan_id, staff="Zhou", reason="lost child"
        )
        receipt = await gate.upload(over)
        found = await scan(house, row.scan_id)
        assert (found.outcome, found.persons, found.reason) == ("admitted", 1, "already_used")
        assert (found.override_by, found.override_reason) == ("Zhou", "lost child")
        assert (await house.entered(made), receipt.conflicts) == (2, 0)


async def test_emergency_is_counted_without_tickets(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        gate = await house.gate()
        on = gate.row(gates.east, "emergency", reason="on", staff="Gao")
        out = [gate.row(gates.east, "emergency", direction="out", persons=1) for _ in range(3)]
        await gate.upload(on, *out, gate.row(gates.east, "emergency", reason="off"))
        rows = await house.rows(
            "SELECT sum(persons) FROM scan WHERE reason = 'emergency' AND direction = 'out'"
        )
        assert rows == [(3,)]
        actions = await house.rows("SELECT action FROM audit_log ORDER BY at DESC, id DESC LIMIT 2")
        assert {row[0] for row in actions} == {
            "admission.emergency_began", "admission.emergency_ended",
        }  # fmt: skip


async def test_two_gates_cut_off_admit_the_same_ticket(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, east, west = await gates.ticket(), await house.gate(), await house.west()
        first = await east.upload(east.row(gates.east, "admitted", made.id))
        second = await west.upload(west.row(gates.west, "admitted", made.id))
        assert (first.conflicts, second.conflicts) == (0, 1)
        assert await house.cases() == ["double_entry"]
        [(details,)] = await house.rows("SELECT details FROM gate_case")
        assert details == {"entered": 2, "allowed": 1}
        assert await counted(house, made) == 2
        await east.sync()
        row = east.tickets[made.id.bytes]
        assert (row.persons_entered, row.entered_here) == (2, 1)


async def test_a_case_is_settled_when_nobody_went_through(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, east, west = await gates.ticket(), await house.gate(), await house.west()
        await east.upload(east.row(gates.east, "admitted", made.id))
        row = west.row(gates.west, "admitted", made.id)
        await west.upload(row)
        await west.upload(west.row(gates.west, "given_back", scan_id=row.scan_id, persons=1))
        assert await house.cases() == []
        assert await counted(house, made) == 1


@pytest.mark.parametrize(
    ("changed", "row", "kind"),
    [
        ({"status": "refunded"}, {}, "after_refund"),
        ({"generation": 2}, {"generation": 1}, "old_generation"),
        ({"generation": 2}, {"generation": 2}, None),
        ({"status": "refunded"}, {"direction": "out"}, None),
    ],
)
async def test_what_a_gate_could_not_know(
    house: Gatehouse, changed: dict[str, Any], row: dict[str, Any], kind: str | None
):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(**changed), await house.gate()
        receipt = await gate.upload(gate.row(gates.east, "admitted", made.id, **row))
        assert receipt.conflicts == (kind is not None)
        assert await house.cases() == ([kind] if kind else [])


async def test_a_ticket_that_the_server_does_not_know(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        gate = await house.gate()
        await gate.upload(gate.row(gates.east, "admitted", ids.new_id()))
        assert await house.cases() == ["unknown_ticket"]


async def test_documents_that_gates_could_not_compare(house: Gatehouse):
    """Under any key that the site's gates ever had, and once however often the row comes."""
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(), await house.gate()
        await gate.sync()
        assert gate.setup
        [stranger] = map(id_number, fresh_people(1))
        before = [
            document_mark(gate.setup.document_key, number)
            for number in (made.documents[0], stranger)
        ]
        other = await house.west()
        await gates.unit(CHIEF)(devices.revoke_device, device_id=other.device_id)
        rows = [
            gate.row(gates.east, "admitted", made.id, document_mark=mark, persons=1)
            for mark in before
        ]
        assert (await gate.upload(rows[0])).conflicts == 0
        assert (await gate.upload(*rows)).conflicts == 2
        assert await house.cases() == ["document_mismatch", "double_entry"]
        assert (await gate.upload(*rows)).conflicts == 0
        [index] = await house.rows("SELECT document_index FROM holder")
        assert [(await scan(house, row.scan_id)).document_index for row in rows] == [*index, None]


async def test_the_gates_word_stands_against_a_late_answer(house: Gatehouse):
    """The server admitted, but the answer came too late and the gate refused."""
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(), await house.gate()
        answer = await gate.decide(gates.east, made.code)
        assert answer.outcome == "admitted"
        await gate.upload(
            gate.row(gates.east, "refused", made.id, scan_id=answer.scan_id, reason="slot_over")
        )
        assert await counted(house, made) == 0
        found = await scan(house, answer.scan_id)
        assert (found.undo_reason, found.gate_persons) == ("late", 0)
        assert await house.cases() == []


async def test_both_admitted_counts_once(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket("family"), await house.gate()
        answer = await gate.decide(gates.east, made.code, persons=2)
        row = gate.row(gates.east, "admitted", made.id, scan_id=answer.scan_id, persons=2)
        await gate.upload(row)
        assert await counted(house, made) == 2
        assert (await scan(house, answer.scan_id)).gate_at == gates.at(11)


async def test_the_server_refused_and_the_gate_admitted(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(starts=13, ends=15), await house.gate()
        answer = await gate.decide(gates.east, made.code)
        assert answer.reason == "not_open_yet"
        row = gate.row(gates.east, "admitted", made.id, scan_id=answer.scan_id)
        assert (await gate.upload(row)).conflicts == 1
        assert await house.cases() == ["server_refused"]
        assert await counted(house, made) == 1


async def test_a_journal_first_and_the_question_after_it(house: Gatehouse):
    """The question was stuck somewhere: by the time it is heard, the gate has said what it did."""
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(), await house.gate()
        row = gate.row(gates.east, "refused", made.id, reason="code_stale")
        await gate.upload(row)
        answer = await gate.decide(gates.east, made.code, scan_id=row.scan_id)
        assert (answer.outcome, answer.reason) == ("refused", "code_stale")
        assert await counted(house, made) == 0


async def test_what_the_console_took_back_stays_so(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(), await house.gate()
        answer = await gate.decide(gates.east, made.code)
        await gates.unit(CHIEF)(service.undo, scan_id=answer.scan_id, reason="did not turn")
        row = gate.row(gates.east, "admitted", made.id, scan_id=answer.scan_id)
        await gate.upload(row)
        assert await counted(house, made) == 0
        await gate.sync()
        kept = gate.tickets[made.id.bytes]
        # The gate counts it as its own, so what others did is one less.
        assert (kept.persons_entered, kept.entered_here) == (0, 1)


async def test_a_gate_cannot_speak_of_another_gates_scan(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, east, west = await gates.ticket(), await house.gate(), await house.west()
        row = east.row(gates.east, "admitted", made.id)
        await east.upload(row)
        await west.upload(west.row(gates.west, "undone", scan_id=row.scan_id))
        assert await counted(house, made) == 1
        assert await house.cases() == ["foreign_scan"]


async def test_odd_rows_do_not_stop_a_journal(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(), await house.gate()
        rows = [
            gate.row(gates.east, "admitted", persons=0),
            gate.row(gates.east, "admitted", made.id, persons=-5),
            gate.row(gates.east, "given_back", persons=4),
            gate.row(gates.east, "corrected", persons=10**9),
            gate.row(ids.new_id(), "refused", reason="x\0y" * 400, staff="\0"),
            structs.replace(gate.row(gates.east, "admitted"), ticket_id=b"short"),
            gate.row(gates.east, "refused", generation=2**40, persons_left=-(2**40)),
            gate.row(gates.east, "emergency", persons=10**12),
        ]
        assert (await gate.upload(*rows)).through == len(rows)


async def test_a_revoked_gates_journal_is_refused(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(), await house.gate()
        await gates.unit(CHIEF)(devices.revoke_device, device_id=gate.device_id)
        with pytest.raises(Refused):
            await gate.upload(gate.row(gates.east, "admitted", made.id))
        assert await counted(house, made) == 0


async def test_orders_hear_of_what_gates_did(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made, gate = await gates.ticket(), await house.gate()
        await gate.upload(gate.row(gates.east, "admitted", made.id))

    async def jobs(session: Session) -> int:
        found = await session.scalar(
            text(
                "SELECT count(*) FROM procrastinate_jobs WHERE args->>'ticket_ids' LIKE :t "
                "AND task_name = 'orders.follow_admissions'"
            ),
            {"t": f"%{made.id}%"},
        )
        return int(found or 0)

    assert await gates.unit()(jobs) == 1


async def test_another_tenants_tickets_are_unknown(house: Gatehouse, database: Database):
    """A gate names a ticket of another tenant: nothing of it is read or changed."""
    gates = house.gates
    other = await make_park(database, code=f"o{ids.new_id().hex[-10:]}", open_now=True)
    desk = Desk(database, other)
    placed = await desk.place(other.order(other.ticket()))
    await desk.pay(placed)
    foreign = (await desk.view(placed)).tickets[0].ticket_id
    gate = await house.gate()
    await gate.upload(gate.row(gates.east, "admitted", foreign))
    assert await house.cases() == ["unknown_ticket"]
    assert (await desk.view(placed)).tickets[0].persons_entered == 0
    assert await desk.count("gate_feed") == 1
