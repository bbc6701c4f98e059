"""Overrides and undoing: both facts are kept, people get their entry back."""

import pytest
from sqlalchemy import text

from shanmen.admission import queries, service
from shanmen.admission.errors import (
    CannotOverride,
    NotAdmitted,
    NotRefused,
    ReasonMissing,
    ScanUnknown,
    TooManyPersons,
    UndoTooLate,
)
from shanmen.kit import clock, ids
from tests.admission.conftest import CHIEF, Gates


async def test_an_override_admits_and_keeps_the_rule(gates: Gates) -> None:
    made = await gates.ticket("family")
    refused = await gates.scan(made.code, at=gates.at(15))
    assert refused.reason == "slot_over"
    with clock.at(gates.at(15)):
        view = await gates.unit(CHIEF)(
            service.override, scan_id=refused.scan_id, persons=2, reason=" coach was late "
        )
        again = await gates.unit(CHIEF)(
            service.override, scan_id=refused.scan_id, persons=3, reason="twice"
        )
    assert (view.outcome, view.persons, view.reason) == ("admitted", 2, "slot_over")
    assert (view.override_by, view.override_reason) == ("Zhou (zhou)", "coach was late")
    assert again == view
    row = await gates.row(made.id)
    assert (row.persons_entered, row.status) == (2, "valid")
    assert await gates.scan(made.code, scan_id=refused.scan_id) == view


async def test_an_override_of_a_used_ticket_counts_beyond_its_total(gates: Gates) -> None:
    made = await gates.ticket()
    await gates.scan(made.code)
    refused = await gates.scan(made.code)
    with clock.at(gates.at(11)):
        await gates.unit(CHIEF)(
            service.override, scan_id=refused.scan_id, persons=1, reason="went back for a bag"
        )
    assert (await gates.row(made.id)).persons_entered == 2
    assert (await gates.scan(made.code)).reason == "already_used"


async def test_what_cannot_be_overridden(gates: Gates) -> None:
    unit = gates.unit(CHIEF)
    made, refunded = await gates.ticket(), await gates.ticket(status="refunded")
    admitted = await gates.scan(made.code)
    used = await gates.scan(made.code)
    gone = await gates.scan(refunded.code)
    unknown = await gates.scan("nothing known")
    for error, scan, persons, reason in (
        (NotRefused, admitted, 1, "why"),
        (CannotOverride, gone, 1, "why"),
        (CannotOverride, unknown, 1, "why"),
        (ReasonMissing, used, 1, "  "),
        (TooManyPersons, used, 2, "why"),
    ):
        with pytest.raises(error):
            await unit(service.override, scan_id=scan.scan_id, persons=persons, reason=reason)
    with pytest.raises(ScanUnknown):
        await unit(service.override, scan_id=ids.new_id(), persons=1, reason="why")
    assert (await gates.row(made.id)).persons_entered == 1
    assert (await gates.row(refunded.id)).persons_entered == 0


async def test_undoing_gives_the_entry_back(gates: Gates) -> None:
    made = await gates.ticket()
    admitted = await gates.scan(made.code)
    with clock.at(gates.at(11, 1)):
        view = await gates.unit(CHIEF)(
            service.undo, scan_id=admitted.scan_id, reason="barrier did not turn"
        )
        again = await gates.unit(CHIEF)(service.undo, scan_id=admitted.scan_id, reason="twice")
    assert (view.outcome, view.persons, view.admitted) == ("admitted", 1, False)
    assert (view.undone_by, view.undo_reason) == ("Zhou (zhou)", "barrier did not turn")
    assert again == view
    row = await gates.row(made.id)
    assert (row.persons_entered, row.status, row.first_entered_at) == (0, "valid", None)
    assert (await gates.scan(made.code)).outcome == "admitted"
    assert await gates.scan(made.code, scan_id=admitted.scan_id) == view


async def test_undoing_a_part_and_an_exit(gates: Gates) -> None:
    made = await gates.ticket("family")
    await gates.scan(made.code, persons=1)
    second = await gates.scan(made.code)
    left = await gates.scan(made.code, lane_id=gates.exit, persons=1)
    with clock.at(gates.at(11, 5)):
        for scan in (second, left):
            await gates.unit(CHIEF)(service.undo, scan_id=scan.scan_id, reason="barrier")
    row = await gates.row(made.id)
    assert (row.persons_entered, row.status, row.first_entered_at) == (1, "valid", gates.at(11))
    counts = await gates.unit()(queries.counts_by_lane, site_id=gates.park.site_id, day=gates.day)
    assert (counts[gates.east].entered, counts[gates.east].undone) == (1, 1)
    assert counts[gates.exit].left == 0


async def test_what_cannot_be_undone(gates: Gates) -> None:
    made = await gates.ticket()
    admitted = await gates.scan(made.code)
    refused = await gates.scan(made.code)
    unit = gates.unit(CHIEF)
    with clock.at(gates.at(11)):
        with pytest.raises(NotAdmitted):
            await unit(service.undo, scan_id=refused.scan_id, reason="why")
        with pytest.raises(ReasonMissing):
            await unit(service.undo, scan_id=admitted.scan_id, reason="")
    with clock.at(gates.at(1, days=1)), pytest.raises(UndoTooLate):
        await unit(service.undo, scan_id=admitted.scan_id, reason="why")
    assert (await gates.row(made.id)).persons_entered == 1


async def test_both_are_audited(gates: Gates) -> None:
    made = await gates.ticket()
    refused = await gates.scan(made.code, at=gates.at(15))
    with clock.at(gates.at(15)):
        await gates.unit(CHIEF)(
            service.override, scan_id=refused.scan_id, persons=1, reason="late coach"
        )
        await gates.unit(CHIEF)(service.undo, scan_id=refused.scan_id, reason="barrier")

    async with gates.database.transaction(gates.park.tenant_id) as session:
        rows = (
            await session.execute(
                text(
                    "SELECT action, actor_label, reason, after FROM audit_log "
                    "WHERE entity = 'scan' AND entity_id = :id ORDER BY id"
                ),
                {"id": str(refused.scan_id)},
            )
        ).all()
    assert [row[:3] for row in rows] == [
        ("admission.overridden", "Zhou (zhou)", "late coach"),
        ("admission.undone", "Zhou (zhou)", "barrier"),
    ]
    assert rows[0][3] == {"outcome": "admitted", "persons": 1}
