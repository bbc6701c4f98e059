"""The real agent and the real server in conversation, with the network going and coming."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from msgspec import structs

from shanmen.admission.api.gates import gates_in
from shanmen.admission.service import change_lane, create_lane, devices
from shanmen.catalog.admission_hours import HoursSpec
from shanmen.catalog.queries import ticket_type
from shanmen.catalog.schemas import Product, SpecialDaySpec
from shanmen.catalog.service import edit_ticket_type, set_special_days
from shanmen.db.session import Database, Session
from shanmen.edge.agent import Agent
from shanmen.edge.desk import InlineDesk
from shanmen.edge.enrol import CannotEnrol, enrol
from shanmen.edge.page import words
from shanmen.edge.wire import Reply, Unreachable
from shanmen.kit import clock
from shanmen.kit.clock import Simulated
from shanmen.tickets.token import ROTATING, SECOND_FACTOR
from tests.admission.conftest import CHIEF, Made
from tests.admission.conftest import Gates as Park
from tests.admission.conftest import gates as parks  # noqa: F401 - a fixture
from tests.admission.gatehouse import Gatehouse, make_app
from tests.sites.conftest import asgi
from tests.support.park import ZONE, fresh_people, id_number


@dataclass
class Network:
    """The way to the application; it can be cut, and it can lose answers."""

    http: httpx.AsyncClient
    cut: bool = False
    loses_answers: bool = False

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        del seconds
        if self.cut:
            raise Unreachable("There is no network.")
        answer = await self.http.request(method, path, headers=dict(headers), content=body)
        if self.loses_answers:
            raise Unreachable("The answer was lost.")
        return Reply(answer.status_code, dict(answer.headers), answer.content)

    async def close(self) -> None:
        """The client is the test's."""


@dataclass
class Entrance:
    """A gate of the park with its network."""

    house: Gatehouse
    network: Network
    folder: Path
    agent: Agent
    park: Park

    def reopen(self) -> None:
        self.agent = Agent.open(
            self.folder,
            transport=self.network,
            desk=InlineDesk(),
            secrets=self.folder.parent / "memory",
        )
        self.agent._gate.recover()


async def enrolled(house: Gatehouse, folder: Path, entrance: UUID) -> Entrance:
    made = await house.gates.unit(CHIEF)(devices.add_device, entrance_id=entrance, name="east")
    network = Network(house.http)
    await enrol(url="http://test", code=made.code, folder=folder, name="east", transport=network)
    agent = Agent.open(
        folder, transport=network, desk=InlineDesk(), secrets=folder.parent / "memory"
    )
    return Entrance(house, network, folder, agent, house.gates)


@pytest.fixture
async def house(database: Database, parks: Park) -> AsyncIterator[Gatehouse]:  # noqa: F811
    app = make_app(database)
    async with httpx.AsyncClient(transport=asgi(app), base_url="http://test") as http:
        with clock.at(parks.at(11)):
            yield Gatehouse(parks, http, app)


@pytest.fixture
async def east(house: Gatehouse, tmp_path: Path) -> AsyncIterator[Entrance]:
    made = await enrolled(house, tmp_path / "gate", house.gates.park.entrance_id)
    yield made
    await made.agent.close()


async def sold(east: Entrance, **changes: object) -> Made:
    """A ticket that gates are told of."""
    made = await east.park.ticket(**changes)  # type: ignore[arg-type]
    await east.house.tell(made)
    return made


async def test_asked_admitted_and_reported(east: Entrance):
    made = await sold(east)
    await east.agent.sync()
    assert east.agent.status().connected
    assert east.agent.status().tickets == 1
    answer = await east.agent.scan(east.park.east, made.code)
    assert (answer.outcome, answer.names) == ("admitted", ["张**"])
    assert await east.house.entered(made) == 1
    await east.agent.opened(answer.scan_id)
    await east.agent.sync()
    assert east.agent.status().queue == 0
    assert await east.house.entered(made) == 1
    east.network.cut = True
    assert (await east.agent.scan(east.park.east_2, made.code)).reason == "already_used"


async def test_cut_off_since_before_the_sale(east: Entrance):
    await east.agent.sync()
    east.network.cut = True
    plain = await sold(east)
    moving = await sold(east, flags=ROTATING)
    now = clock.now()
    assert (await east.agent.scan(east.park.east, plain.code)).outcome == "admitted"
    picture = await east.park.moving_code(moving, now - timedelta(seconds=120))
    assert (await east.agent.scan(east.park.east, picture)).reason == "code_stale"
    fresh = await east.park.moving_code(moving, now)
    assert (await east.agent.scan(east.park.east, fresh)).outcome == "admitted"
    east.network.cut = False
    await east.agent.sync()
    assert east.agent.status().queue == 0
    assert [await east.house.entered(made) for made in (plain, moving)] == [1, 1]
    assert await east.house.cases() == []


async def test_hours_that_both_know(east: Entrance):
    """The server tells them with its holidays, and both say the same of a ticket."""
    park = east.park
    windows = [
        HoursSpec(starts="17:00", ends="21:30", day_kinds=["workday", "weekend"]),
        HoursSpec(starts="19:00", ends="21:00", day_kinds=["holiday"]),
    ]

    async def change(session: Session) -> None:
        info = await ticket_type(session, ticket_type_id=park.park.types["adult"])
        spec = structs.replace(Product.of(info).spec(), admission_hours=windows)
        await edit_ticket_type(session, ticket_type_id=info.id, spec=spec)

    await park.unit(CHIEF)(change)
    await park.unit(CHIEF)(
        set_special_days,
        site_id=park.park.site_id,
        days=[SpecialDaySpec(day=park.day, day_kind="holiday")],
    )
    made = await sold(east, ends=22)
    await east.agent.sync()
    asked = await east.agent.scan(park.east, made.code)
    east.network.cut = True
    alone = await east.agent.scan(park.east, made.code)
    assert (asked.reason, alone.reason) == ("not_at_this_hour", "not_at_this_hour")
    assert words.explain(asked, "en", at=clock.now(), timezone=ZONE) == words.explain(
        alone, "en", at=clock.now(), timezone=ZONE
    )
    now = clock.current()
    assert isinstance(now, Simulated)
    now.move_to(park.at(17, 30))
    assert (await east.agent.scan(park.east, made.code)).reason == "not_at_this_hour"
    now.move_to(park.at(19))
    assert (await east.agent.scan(park.east, made.code)).outcome == "admitted"


async def test_documents_without_network(east: Entrance):
    made = await sold(east, flags=SECOND_FACTOR)
    await east.agent.sync()
    east.network.cut = True
    required = await east.agent.scan(east.park.east, made.code)
    assert (required.reason, required.names) == ("document_required", ["张**"])
    answer = await east.agent.scan(east.park.east, made.documents[0])
    assert (answer.outcome, answer.names) == ("admitted", ["张**"])


async def entered_cut_off(east: Entrance, made: Made, document: str) -> None:
    """A ticket that is sold while the gate is cut off, and a document beside its code."""
    asked = await east.agent.scan(east.park.east, made.code)
    assert asked.reason == "document_required"
    answer = await east.agent.scan(east.park.east, made.code, document=document)
    assert answer.outcome == "admitted"
    await east.agent.opened(answer.scan_id)


async def test_a_strangers_document_with_a_ticket_that_the_gate_has_not_heard_of(east: Entrance):
    """Nobody is kept waiting for it, and somebody hears of it once the gate is back."""
    await east.agent.sync()
    east.network.cut = True
    own, strangers, typed = [await sold(east, flags=SECOND_FACTOR) for _ in range(3)]
    nameless = await sold(east, flags=SECOND_FACTOR, named=False)
    [stranger, another] = map(id_number, fresh_people(2))
    await entered_cut_off(east, own, own.documents[0])
    await entered_cut_off(east, strangers, stranger)
    await entered_cut_off(east, nameless, another)
    # What a supervisor has let in by hand, somebody has looked at.
    refused = await east.agent.scan(east.park.east, typed.code)
    await east.agent.override(refused.scan_id, persons=1, reason="known here", staff="Zhou")
    east.network.cut = False
    await east.agent.sync()
    cases = await east.house.rows("SELECT kind, ticket_id FROM gate_case")
    assert cases == [("document_mismatch", strangers.id)]
    known = await east.house.rows(
        "SELECT s.ticket_id FROM scan s JOIN holder h USING (tenant_id, ticket_id, document_index)"
    )
    assert known == [(own.id,)]


async def test_answers_that_are_lost_count_once(east: Entrance):
    made = await sold(east, kind="family")
    await east.agent.sync()
    east.network.loses_answers = True
    answer = await east.agent.scan(east.park.east, made.code)
    assert (answer.outcome, answer.persons) == ("admitted", 3)
    assert await east.house.entered(made) == 3
    # The journal arrives, its receipt does not, twice over; the gate starts again in between.
    await east.agent.sync()
    await east.agent.close()
    east.reopen()
    await east.agent.sync()
    east.network.loses_answers = False
    await east.agent.sync()
    assert east.agent.status().queue == 0
    assert await east.house.entered(made) == 3
    assert await east.house.cases() == []


async def test_given_back_while_the_server_believes_otherwise(east: Entrance):
    made = await sold(east)
    await east.agent.sync()
    east.agent.equip(east.park.east, sensor=True)
    answer = await east.agent.scan(east.park.east, made.code)
    await east.agent.opened(answer.scan_id)
    await east.agent.not_passed(answer.scan_id)
    again = await east.agent.scan(east.park.east, made.code)
    assert again.outcome == "admitted"
    await east.agent.opened(again.scan_id)
    await east.agent.passed(again.scan_id)
    await east.agent.sync()
    assert await east.house.entered(made) == 1


async def test_a_crash_is_corrected_on_the_server_too(east: Entrance):
    made = await sold(east)
    await east.agent.sync()
    east.network.cut = True
    answer = await east.agent.scan(east.park.east, made.code)
    await east.agent.close()
    east.reopen()
    east.network.cut = False
    await east.agent.sync()
    assert await east.house.entered(made) == 1
    await east.agent.correct(answer.scan_id, entered=False, staff="Gao")
    await east.agent.sync()
    assert await east.house.entered(made) == 0


async def test_two_entrances_that_are_cut_off(east: Entrance, tmp_path: Path):
    """Both admit, as the bound says; the server finds it and opens a case."""
    made = await sold(east)
    [(entrance,)] = await east.house.rows(
        "SELECT entrance_id FROM lane WHERE id = :l", l=east.park.west
    )
    west = await enrolled(east.house, tmp_path / "west", entrance)
    await east.agent.sync()
    await west.agent.sync()
    east.network.cut = west.network.cut = True
    assert (await east.agent.scan(east.park.east, made.code)).outcome == "admitted"
    assert (await west.agent.scan(east.park.west, made.code)).outcome == "admitted"
    east.network.cut = west.network.cut = False
    await east.agent.sync()
    await west.agent.sync()
    assert await east.house.cases() == ["double_entry"]
    assert await east.house.entered(made) == 2
    await west.agent.close()


async def test_300_visitors_while_the_server_is_off(east: Entrance):
    """Three lanes admit alone; when the server is back its figures agree to the person."""
    third = await east.park.unit(CHIEF)(
        create_lane, entrance_id=east.park.park.entrance_id, name={"zh-CN": "3"}, direction="in"
    )
    lanes = [east.park.east, east.park.east_2, third.id]
    known = [await east.park.ticket(named=False) for _ in range(200)]
    await east.house.tell(*known)
    await east.agent.sync()
    east.network.cut = True
    unknown = [await east.park.ticket(named=False) for _ in range(100)]

    async def lane(number: int) -> None:
        for made in [*known, *unknown][number::3]:
            answer = await east.agent.scan(lanes[number], made.code)
            assert (answer.outcome, answer.persons) == ("admitted", 1)
            await east.agent.opened(answer.scan_id)

    await asyncio.gather(*(lane(number) for number in range(3)))
    assert east.agent.status().queue == 300
    await east.agent.close()
    east.reopen()
    east.network.cut = False
    await east.agent.sync()
    assert east.agent.status().queue == 0
    [(entered,)] = await east.house.rows("SELECT sum(persons_entered) FROM ticket")
    [(scans,)] = await east.house.rows("SELECT count(*) FROM scan WHERE outcome = 'admitted'")
    assert (entered, scans) == (300, 300)
    assert await east.house.cases() == []


async def test_what_others_admit_is_known_after_the_next_contact(east: Entrance):
    made = await sold(east, kind="family")
    await east.agent.sync()
    await east.park.scan(made.code, persons=1, lane_id=east.park.west)
    await east.agent.sync()
    east.network.cut = True
    answer = await east.agent.scan(east.park.east, made.code)
    assert (answer.outcome, answer.persons) == ("admitted", 2)


async def test_a_lane_closed_in_the_console(east: Entrance):
    made = await sold(east)
    await east.agent.sync()
    await east.park.unit(CHIEF)(change_lane, lane_id=east.park.east, active=False)
    await east.agent.sync()
    assert (await east.agent.scan(east.park.east, made.code)).reason == "lane_closed"


async def test_who_was_counted_by_hand_in_an_emergency(east: Entrance):
    """Where there is no sensor the guard's figure is what the server counts."""
    await east.agent.sync()
    east.network.cut = True
    await east.agent.emergency(on=True, staff="Gao")
    await east.agent.counted_by_hand(east.park.east, 150, staff="Gao")
    await east.agent.emergency(on=False, staff="Gao")
    east.network.cut = False
    await east.agent.sync()
    assert east.agent.status().queue == 0
    scans = await east.house.rows("SELECT persons, outcome, reason, staff_label FROM scan")
    assert scans == [(150, "admitted", "emergency", "Gao")]


async def test_revoked(east: Entrance):
    await sold(east)
    await east.agent.sync()
    device_id = east.agent._server.device.device_id
    await east.park.unit(CHIEF)(devices.revoke_device, device_id=device_id)
    # A process of the server may remember the gate for two seconds.
    gates_in(east.house.app).devices.clear()
    await east.agent.sync()
    assert east.agent.status().revoked
    assert east.agent.status().tickets == 0


async def test_a_used_code_is_refused_in_the_programs_language(house: Gatehouse, tmp_path: Path):
    made = await house.gates.unit(CHIEF)(
        devices.add_device, entrance_id=house.gates.park.entrance_id, name="east"
    )
    for folder, used in (("first", False), ("second", True)):
        enrolling = enrol(
            url="http://test", code=made.code, folder=tmp_path / folder, name="x",
            transport=Network(house.http),
        )  # fmt: skip
        if not used:
            await enrolling
            continue
        with pytest.raises(CannotEnrol) as refused:
            await enrolling
        assert str(refused.value).isascii()


async def test_somebody_in_between_cannot_enrol_a_gate(house: Gatehouse, tmp_path: Path):
    made = await house.gates.unit(CHIEF)(
        devices.add_device, entrance_id=house.gates.park.entrance_id, name="east"
    )
    network = Network(house.http)
    secret, _, fingerprint = made.code.rpartition("-")
    other = f"{secret}-{fingerprint[::-1]}"
    with pytest.raises(CannotEnrol, match="not the one that made this code"):
        await enrol(
            url="http://test", code=other, folder=tmp_path / "g", name="x", transport=network
        )
    assert not (tmp_path / "g").exists()
