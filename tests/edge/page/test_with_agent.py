"""The guard's page over a real agent, its store, and a server that comes and goes."""

import json
from pathlib import Path

from shanmen.edge.agent import Agent
from shanmen.edge.operate import operate
from shanmen.kit import ids
from tests.edge.conftest import Gates
from tests.edge.drivers.conftest import eventually
from tests.edge.page.conftest import Caller
from tests.support.gate_server import LANES, GateServer


async def test_a_day_of_a_guard(gates: Gates, agent: Agent, server: GateServer, tmp_path: Path):
    tickets = [server.sell(party=party, names=("王*",)) for party in (1, 3)]
    await agent.sync()
    server.down = True
    await agent.sync()
    lanes = tmp_path / "lanes.toml"
    lanes.write_text("[page]\nport = 0\n")
    async with operate(agent, tmp_path, lanes=lanes) as operating:
        guard = Caller(operating.url, operating.pin)
        await guard.sign_in("Li")

        async def present(code: str, **more: object) -> dict[str, object]:
            body = {"scan_id": ids.new_id(), "lane": LANES[0], "code": code, **more}
            said = await guard.post("/scan", body)
            assert said.status == 200, said.body
            answer: dict[str, object] = said.json
            return answer

        await eventually(lambda: LANES[0] in operating.entrance._lanes)
        first = await present(tickets[0].text)
        assert (first["kind"], first["names"]) == ("admit", ["王*"])
        again = await present(tickets[0].text)
        assert (again["kind"], again["reason"]) == ("refuse", "already_used")
        part = await present(tickets[1].text, persons=2)
        assert (part["persons"], part["persons_left"]) == (2, 1)

        wish = {"lane": LANES[0], "scan_id": again["scan_id"], "persons": 1, "reason": "his bag"}
        assert (await guard.post("/override", wish)).json["kind"] == "admit"
        wish = {"lane": LANES[0], "scan_id": part["scan_id"], "reason": "wrong group"}
        assert (await guard.post("/undo", wish)).json["kind"] == "undone"
        assert (await guard.post("/undo", wish)).status == 409

        assert (await guard.post("/emergency", {"on": True})).status == 200
        assert agent.status().emergency
        assert (await guard.post("/emergency", {"on": False})).status == 200
        assert (await guard.post("/lane", {"lane": LANES[1], "open": False})).status == 200
        state = json.loads(await guard.first_event())
        assert [lane["mode"] for lane in state["lanes"]] == ["open", "closed", "open"]
        assert state["connected"] is False
        last = [(one["kind"], one["reason"]) for one in state["lanes"][0]["last"]]
        assert last == [("undone", ""), ("admit", "already_used"), ("admit", "")]
    server.down = False
    await agent.sync()
    assert server.entered(tickets[0].id) == 2
    assert server.entered(tickets[1].id) == 0
    assert {row.step for row in server.journal} >= {"admitted", "override", "undone", "emergency"}


async def test_what_a_crash_left_open_is_corrected_with_one_tap(
    gates: Gates, agent: Agent, server: GateServer, tmp_path: Path
):
    tickets = [server.sell() for _ in range(2)]
    await agent.sync()
    agent.equip(LANES[1], sensor=True)
    scans = [
        (await agent.scan(lane, ticket.text)).scan_id
        for lane, ticket in zip(LANES, tickets, strict=False)
    ]
    again = await gates.restart(agent)
    lanes = tmp_path / "lanes.toml"
    lanes.write_text("[page]\nport = 0\n")
    async with operate(again, tmp_path, lanes=lanes) as operating:
        guard = Caller(operating.url, operating.pin)
        await guard.sign_in("Li")
        cases = json.loads(await guard.first_event())["unresolved"]
        assumed = {case["scan_id"]: case["entered"] for case in cases}
        assert assumed == {str(scans[0]): True, str(scans[1]): False}
        for scan_id in scans:
            wish = {"scan_id": scan_id, "entered": not assumed[str(scan_id)]}
            assert (await guard.post("/correct", wish)).status == 200
        assert json.loads(await guard.first_event())["unresolved"] == []
    await again.sync()
    assert [server.entered(ticket.id) for ticket in tickets] == [0, 1]
