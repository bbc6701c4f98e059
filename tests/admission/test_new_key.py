"""When a gate is revoked, what its key for documents could tell is of no use any more."""

from shanmen.admission import protocol
from shanmen.admission.service import devices
from shanmen.admission.service.blocked import block_document
from shanmen.kit import clock
from tests.admission.conftest import CHIEF
from tests.admission.gatehouse import Gatehouse


async def test_the_other_gates_get_a_new_key_and_every_ticket_under_it(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made = await gates.ticket()
        kept, stolen = await house.gate(), await house.west()
        for gate in (kept, stolen):
            await gate.health()
            await gate.sync()
        assert kept.setup
        assert stolen.setup
        old = kept.setup.document_key
        assert old == stolen.setup.document_key
        await gates.unit(CHIEF)(devices.revoke_device, device_id=stolen.device_id)
        kept.tickets.clear()
        await kept.sync()
        new = kept.setup.document_key
        assert new != old
        [(mark, sealed)] = kept.tickets[made.id.bytes].documents
        assert mark == protocol.document_mark(new, made.documents[0])
        assert mark != protocol.document_mark(old, made.documents[0])
        key = protocol.document_seal_key(old, made.documents[0])
        assert protocol.open_sealed(key, sealed) is None
        # From there on it is told what changes, as before.
        kept.tickets.clear()
        await kept.sync()
        assert kept.tickets == {}
        # Once more revoked is not once more a new key.
        await gates.unit(CHIEF)(devices.revoke_device, device_id=stolen.device_id)
        await kept.sync()
        assert kept.setup.document_key == new


async def test_a_gate_that_was_cut_off_over_it_still_finds_the_blocked(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made = await gates.ticket()
        [number] = made.documents
        kept, stolen = await house.gate(), await house.west()
        await kept.sync()
        assert kept.setup
        await gates.unit(CHIEF)(devices.revoke_device, device_id=stolen.device_id)
        await gates.unit(CHIEF)(block_document, kind="id_card", number=number, reason="Fights.")
        mark = protocol.document_mark(kept.setup.document_key, number)
        row = kept.row(gates.east, "admitted", made.id, generation=0, document_mark=mark)
        assert (await kept.upload(row)).conflicts == 1
        assert await house.cases() == ["blocked"]
        # What a stolen key could be tried against is not in the database either.
        [(stored,)] = await house.rows("SELECT document_mark FROM gate_journal")
        assert len(stored) == len(mark)
        assert stored != mark
