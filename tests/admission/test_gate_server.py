"""What gates and the server say to each other, over the wire."""

import asyncio
from datetime import timedelta

import pytest
from nacl.signing import SigningKey, VerifyKey

from shanmen.admission import protocol
from shanmen.admission.protocol import Changes
from shanmen.admission.service import change_lane, changes, devices
from shanmen.admission.service.devices import Device
from shanmen.db.session import Database, Session
from shanmen.kit import clock, ids
from shanmen.kit.errors import IdempotencyMismatch
from shanmen.tickets import feed, token
from shanmen.tickets.token import ROTATING
from tests.admission.conftest import CHIEF, Made
from tests.admission.gatehouse import Gatehouse
from tests.support.park import make_park
from tests.support.plain_gate import PlainGate, Refused, ms


async def test_a_gate_is_enrolled_with_a_code_once(house: Gatehouse):
    made = await house.gates.unit(CHIEF)(
        devices.add_device, entrance_id=house.gates.park.entrance_id, name=" East "
    )
    assert made.code.count("-") == 1
    gate = PlainGate(house.http)
    enrolled = await gate.enrol(made.code.lower())
    assert (enrolled.tenant, enrolled.entrance_number) == (str(house.gates.park.tenant_id), 1)
    # Its answer was lost, so it asks again; another gate with the same code is refused.
    again = PlainGate(house.http, key=gate.key)
    assert (await again.enrol(made.code)).device_id == enrolled.device_id
    with pytest.raises(Refused) as refused:
        await PlainGate(house.http).enrol(made.code)
    assert (refused.value.status, refused.value.code) == (403, "admission.enrol_code")


@pytest.mark.parametrize("code", ["", "short", "0123456789", "0123456789ZZZZ", "!!!!!!!!!!1"])
async def test_a_code_that_is_none(house: Gatehouse, code: str):
    with pytest.raises(Refused) as refused:
        await PlainGate(house.http).enrol(f"{code}-0000000000000000")
    assert refused.value.code == "admission.enrol_code"


async def test_a_code_lives_for_a_day(house: Gatehouse):
    made = await house.gates.unit(CHIEF)(
        devices.add_device, entrance_id=house.gates.park.entrance_id, name="East"
    )
    with clock.shifted(timedelta(hours=25)), pytest.raises(Refused) as refused:
        await PlainGate(house.http).enrol(made.code)
    assert refused.value.code == "admission.enrol_code"
    with clock.shifted(timedelta(hours=25)):
        fresh = await house.gates.unit(CHIEF)(devices.renew_code, device_id=made.device_id)
        assert (await PlainGate(house.http).enrol(fresh.code)).device_id == made.device_id


async def test_requests_must_be_signed(house: Gatehouse):
    gate = await house.gate()
    await gate.health()
    stranger = PlainGate(house.http, key=SigningKey.generate(), enrolled=gate.enrolled)
    with pytest.raises(Refused) as refused:
        await stranger.health()
    assert (refused.value.status, refused.value.code) == (401, "admission.gate_signature")
    with pytest.raises(Refused) as refused:
        await gate.send("POST", protocol.PATH_HEALTH, b"", Shanmen_Nonce="other")
    assert refused.value.code == "admission.gate_signature"
    with pytest.raises(Refused) as refused:
        await gate.send("POST", protocol.PATH_HEALTH, b"\xc1")
    assert (refused.value.status, refused.value.code) == (422, "admission.gate_request")


async def test_a_clock_that_is_far_off_is_told_the_time(house: Gatehouse):
    gate = await house.gate()
    gate.skew_ms = -40 * 86_400_000
    with pytest.raises(Refused) as refused:
        await gate.health()
    assert refused.value.code == "admission.device_clock"
    assert abs(refused.value.refusal.server_time - ms()) < 10_000


async def test_a_question_that_nobody_waits_for_any_more_is_not_decided(house: Gatehouse):
    """It was on its way for long: the gate has decided alone meanwhile."""
    gates = house.gates
    with clock.at(gates.at(11)):
        gate, made = await house.gate(), await gates.ticket()
        gate.skew_ms = -2_000
        with pytest.raises(Refused) as refused:
            await gate.decide(gates.east, made.code, patience_ms=150)
        assert refused.value.code == "admission.device_clock"
        # One whose clock is wrong is told the time; its answer may also be worth waiting for.
        assert refused.value.refusal.server_time == ms()
        assert (await gate.decide(gates.east, made.code, patience_ms=1_500)).outcome == "admitted"


async def test_a_revoked_gate_hears_so(house: Gatehouse):
    gate = await house.gate()
    await house.gates.unit(CHIEF)(devices.revoke_device, device_id=gate.device_id)
    for ask in (gate.sync, gate.health):
        with pytest.raises(Refused) as refused:
            await ask()
        assert (refused.value.status, refused.value.code) == (401, "admission.device_revoked")


async def test_a_gate_of_one_tenant_is_nobody_at_another(house: Gatehouse, database: Database):
    gate = await house.gate()
    other = await make_park(database, code=f"o{ids.new_id().hex[-10:]}")
    assert gate.enrolled
    header = protocol.device_header(str(other.tenant_id), gate.device_id)
    with pytest.raises((Refused, AssertionError)):
        await gate.send("POST", protocol.PATH_HEALTH, b"", Shanmen_Device=header)
    answer = await house.http.post(
        protocol.PATH_HEALTH, headers={protocol.HEADER_DEVICE: header}, content=b""
    )
    assert answer.status_code == 401
    nobody = protocol.device_header("99999999", gate.device_id)
    answer = await house.http.post(protocol.PATH_HEALTH, headers={protocol.HEADER_DEVICE: nobody})
    assert answer.status_code == 401
    assert protocol.HEADER_SIGNATURE.lower() not in answer.headers


async def test_a_gate_never_speaks_for_another_entrances_lanes(house: Gatehouse):
    gate = await house.gate()
    with pytest.raises(Refused) as refused:
        await gate.decide(house.gates.west, "x")
    assert (refused.value.status, refused.value.code) == (403, "admission.lane_elsewhere")


async def test_what_a_fresh_gate_gets(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        family = await gates.ticket("family")
        plain = await gates.ticket(named=False, flags=ROTATING)
        later = await gates.ticket(shift_days=9)
        over = await gates.ticket(shift_days=-4)
        gate = await house.gate()
        await gate.sync()
        assert family.id.bytes in gate.tickets
        assert not {later.id.bytes, over.id.bytes} & set(gate.tickets)
        row = gate.tickets[family.id.bytes]
        assert (row.number, row.party_size, row.status) == (family.number, 3, "valid")
        assert protocol.open_sealed(protocol.seal_key(family.code), row.sealed) == (
            protocol.Holders(["张**"] * 3)
        )
        assert protocol.open_sealed(protocol.seal_key(plain.code), row.sealed) is None
        setup = gate.setup
        assert setup
        number = family.documents[1]
        mark = protocol.document_mark(setup.document_key, number)
        [found] = [sealed for own, sealed in row.documents if own == mark]
        key = protocol.document_seal_key(setup.document_key, number)
        assert protocol.open_sealed(key, found) == protocol.Holders(["张**"])
        assert gate.tickets[plain.id.bytes].sealed == b""
        assert {lane.id for lane in setup.lanes} == {gates.park.lane_id, gates.east, gates.east_2}
        assert {info.number for info in setup.entrances} == {1, 2, 3}
        assert len(setup.day_keys) == 5
        keys = {number: VerifyKey(raw) for number, raw in setup.signing_keys.items()}
        assert token.verify(family.code, keys).ticket_id == family.id
        # Nothing of a name or a document is readable in what a gate keeps.
        kept = protocol.encode(row)
        assert "张".encode() not in kept
        assert family.documents[0].encode() not in kept


async def test_only_what_changed_comes_after_that(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        first = await gates.ticket()
        gate = await house.gate()
        # That it is connected is part of what it is told.
        await gate.health()
        await gate.sync()
        known = gate.digest
        gate.tickets.clear()
        await gate.sync()
        assert (gate.tickets, gate.digest) == ({}, known)
        second = await gates.ticket()
        await house.tell(second)
        await gate.sync()
        assert set(gate.tickets) == {second.id.bytes}
        await gates.scan(first.code)
        await gate.sync()
        row = gate.tickets[first.id.bytes]
        assert (row.persons_entered, row.status, row.last_entrance) == (1, "used", 1)
        assert (row.entered_here, row.persons_inside, row.inside_zone) == (0, 1, 1)
        await gates.unit(CHIEF)(change_lane, lane_id=gates.east, active=False)
        await gate.sync()
        assert gate.digest != known
        assert gate.setup
        assert {lane.id: lane.open for lane in gate.setup.lanes}[gates.east] is False


async def test_a_mark_in_the_middle_goes_on(house: Gatehouse):
    gates, unit = house.gates, house.gates.unit()

    async def fetch(device: Device, mark: str) -> tuple[str, set[bytes], list[bool]]:
        """Two at a time, until there is nothing more."""
        found: set[bytes] = set()
        fresh: list[bool] = []
        more = True
        while more:
            read = await unit(changes.read_changes, device=device, since=mark, limit=2)
            answer = changes.changes(read, "")
            assert len(answer.tickets) <= 2
            mark, more = answer.mark, answer.more
            found |= {row.id for row in answer.tickets}
            fresh.append(answer.fresh)
        return mark, found, fresh

    with clock.at(gates.at(11)):
        made = [await gates.ticket() for _ in range(5)]
        gate = await house.gate()
        device = await unit(devices.device, device_id=gate.device_id)
        assert device
        mark, found, fresh = await fetch(device, "")
        assert {one.id.bytes for one in made} <= found
        assert fresh == [True, *[False] * (len(fresh) - 1)]
        await house.tell(*made)
        mark, found, fresh = await fetch(device, mark)
        assert found == {one.id.bytes for one in made}
        assert not any(fresh)


async def test_of_tickets_that_were_only_used_a_gate_hears_how_often(house: Gatehouse):
    gates, unit = house.gates, house.gates.unit()

    async def fetch(mark: str, *, counts: bool = True) -> Changes:
        device = await unit(devices.device, device_id=gate.device_id)
        assert device
        read = await unit(changes.read_changes, device=device, since=mark, counts=counts)
        assert not read.more
        return changes.changes(read, "")

    async def count(*made: Made) -> None:
        async def add(session: Session) -> None:
            named = [one.id for one in made]
            statement = feed.add_statement(session.tenant_id, named, counted=True)
            await (await session.driver()).execute(statement.sql, statement.params)

        await unit(add)

    with clock.at(gates.at(11)):
        used, moved = await gates.ticket(), await gates.ticket()
        later = await gates.ticket(shift_days=4)
        gate = await house.gate()
        first = await fetch("")
        assert {used.id.bytes, moved.id.bytes} <= {row.id for row in first.tickets}
        assert first.counts == []
        sold = await gates.ticket()
        await house.tell(sold, moved)
        for made in (used, moved, sold):
            assert (await gates.scan(made.code)).admitted
        answer = await fetch(first.mark)
        assert {row.id for row in answer.tickets} == {moved.id.bytes, sold.id.bytes}
        [told] = answer.counts
        [whole] = [
            row for row in (await fetch(first.mark, counts=False)).tickets if row.id == told.id
        ]
        assert told.id == used.id.bytes
        assert (told.status, told.persons_entered, told.last_entrance) == ("used", 1, 1)
        for name in told.__struct_fields__:
            assert getattr(told, name) == getattr(whole, name)
    with clock.at(gates.at(11, days=1)):
        # It was beyond what gates knew: whatever became of it, the gate has to have it whole.
        await count(later)
        nearer = await fetch(answer.mark)
        assert later.id.bytes in {row.id for row in nearer.tickets}


async def test_a_transaction_that_lasts_is_not_missed(house: Gatehouse):
    """It began before the mark and ends after it: by numbers or times alone it would be lost."""
    gates = house.gates
    with clock.at(gates.at(11)):
        gate = await house.gate()
        made = await gates.ticket()
        async with gates.database.transaction(gates.park.tenant_id) as slow:
            statement = feed.add_statement(slow.tenant_id, [made.id])
            await (await slow.driver()).execute(statement.sql, statement.params)
            await house.tell(await gates.ticket())
            await gate.sync()
            gate.tickets.clear()
            await gate.sync()
            assert made.id.bytes not in gate.tickets
        await gate.sync()
        assert made.id.bytes in gate.tickets


@pytest.mark.parametrize("mark", ["nonsense", "AAAA", "old"])
async def test_a_mark_that_cannot_be_used_gets_everything(house: Gatehouse, mark: str):
    gates = house.gates
    with clock.at(gates.at(11)):
        made = await gates.ticket()
        gate = await house.gate()
        await gate.sync()
        gate.tickets.clear()
        gate.mark = gate.mark if mark == "old" else mark
    with clock.at(gates.at(11) + timedelta(days=2, minutes=1) * (mark == "old")):
        await gate.sync()
    assert (made.id.bytes in gate.tickets) is (mark != "old")
    assert gate.pages >= 2


async def test_tickets_come_as_their_day_comes_nearer(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        later = await gates.ticket(shift_days=4)
        gate = await house.gate()
        await gate.sync()
        assert later.id.bytes not in gate.tickets
    with clock.at(gates.at(11, days=1)):
        await gate.sync()
        assert later.id.bytes in gate.tickets


async def test_the_server_decides_for_a_gate(house: Gatehouse):
    gates = house.gates
    with clock.at(gates.at(11)):
        made = await gates.ticket()
        gate = await house.gate()
        scan = ids.new_id()
        asked = [gate.decide(gates.east, made.code, scan_id=scan) for _ in range(2)]
        first, second = await asyncio.gather(*asked)
        assert first == second
        assert (first.outcome, first.persons, first.names) == ("admitted", 1, ["张**"])
        assert first.ticket_id == made.id.bytes
        again = await gate.decide(gates.east, made.code)
        assert (again.outcome, again.reason) == ("refused", "already_used")
        # A gate that asks the same scan again may know more by then.
        assert await gate.decide(gates.east, made.code, scan_id=scan, persons=1) == first
        with pytest.raises(IdempotencyMismatch):
            await gates.scan(made.code, scan_id=scan)
        assert await house.entered(made) == 1
        await gate.sync()
        row = gate.tickets[made.id.bytes]
        assert (row.entered_here, row.inside_here) == (1, 1)


async def test_commands_wait_until_they_are_done(house: Gatehouse):
    gate = await house.gate()
    key = ids.new_id()
    await house.rows(
        "INSERT INTO gate_command (tenant_id, id, device_id, kind, text, created_at, created_by) "
        "VALUES (:t, :i, :d, 'message', 'hello', now(), 'x') RETURNING id",
        t=house.gates.park.tenant_id, i=key, d=gate.device_id,
    )  # fmt: skip
    for _ in range(2):
        answer = await gate.health(battery_percent=80)
        assert [(one.id, one.kind, one.text) for one in answer.commands] == [
            (key, "message", "hello")
        ]
    assert (await gate.health(done=[key])).commands == []
    [(health,)] = await house.rows("SELECT health FROM gate_device WHERE id = :d", d=gate.device_id)
    assert health["version"] == "1"
