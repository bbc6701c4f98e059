"""`shanmen gate …` as somebody types it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs

from shanmen.admission.protocol import (
    PATH_ENROL,
    Enrolled,
    GateInfo,
    Refusal,
    answer_message,
    encode,
    fingerprint,
    sign,
)
from shanmen.cli import main
from shanmen.edge import device
from shanmen.edge.enrol import CannotEnrol, enrol
from shanmen.edge.wire import Reply, Unreachable
from tests.support.gate_server import LANES, ZONE, GateServer
from tests.support.patience import STOP_SECONDS


def gate(*words: object) -> str:
    """What a command prints; it ends well."""
    result = CliRunner().invoke(main, ["gate", *map(str, words)], env={"COLUMNS": "160"})
    assert result.exception is None, result.output
    return result.output


def fails(*words: object) -> str:
    """The one sentence of a command that does not."""
    result = CliRunner().invoke(main, ["gate", *map(str, words)])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    return result.output


async def test_status_while_the_gate_runs(gates, server):
    ticket = server.sell()
    agent = await gates.ready()
    server.down = True
    scan = await agent.scan(LANES[0], ticket.text)
    await agent.opened(scan.scan_id)
    said = gate("status", "--folder", gates.folder)
    assert "1 journal rows" in said
    assert "Lane 1" in said
    assert "2026-05-01 09:01:00" in said


async def test_status_of_a_gate_that_was_revoked(gates, server):
    agent = await gates.ready()
    server.revoked = True
    await agent.sync()
    assert "admits nobody any more" in fails("status", "--folder", gates.folder)


async def test_bound(gates, server):
    types = [
        structs.replace(kind, party_size=2, entries=1, zones=1 << ZONE)
        for kind in server.setup.types
    ]
    both = [GateInfo(entrance=2, online=True), GateInfo(entrance=2, online=False)]
    server.change_setup(types=types, gates=both)
    await gates.ready()
    said = " ".join(gate("bound", "--folder", gates.folder).split())
    assert "Adult" in said
    assert "1 cut off" in said
    assert "admission.bound" not in said


def test_what_is_missing_is_said(tmp_path, folder):
    assert "There is no gate in" in fails("status", "--folder", tmp_path / "none")
    assert "There is no gate in" in fails("run", "--folder", tmp_path / "none")
    assert "has not been started yet" in fails("status", "--folder", folder)
    assert "has not been started yet" in fails("bound", "--folder", folder)
    missing = ("run", "--folder", folder, "--config", tmp_path / "no.toml")
    assert "There is no file" in fails(*missing)
    (folder / device.FILE).write_text("{")
    assert "is damaged: revoke this gate" in fails("status", "--folder", folder)


def test_a_gate_runs_and_ends_when_told(folder: Path):
    process = subprocess.Popen(
        [sys.executable, "-m", "shanmen", "gate", "run", "--folder", folder, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "Guard's page: http://127.0.0.1:" in first
        second = fails("run", "--folder", folder, "--port", "0")
        assert "is running in" in " ".join(second.split())
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
    finally:
        process.kill()
        process.communicate()


class EnrollingServer:
    """Answers one enrolment, honestly or not."""

    def __init__(self, server: GateServer, reply: Reply | None = None) -> None:
        self.server, self.reply = server, reply
        self.key = server.server_key
        self.says: bytes | None = None

    @property
    def code(self) -> str:
        return f"7K2M9QX41C-{fingerprint(self.server.server_key.verify_key.encode())}"

    async def request(self, method, path, *, headers, body, seconds):
        del seconds
        assert (method, path) == ("POST", PATH_ENROL)
        if self.reply is not None:
            return self.reply
        enrolled = Enrolled(
            device_id=self.server.device_id,
            server_key=self.key.verify_key.encode(),
            tenant="12",
            site_number=7,
            entrance_number=2,
        )
        answer = self.says or encode(enrolled)
        message = answer_message(count="0", nonce=headers["Shanmen-Nonce"], status=200, body=answer)
        headers = {"shanmen-signature": sign(self.key, message)}
        return Reply(200, headers, encode(enrolled))

    async def close(self) -> None:
        """Nothing is open."""


async def try_enrol(folder: Path, asked: EnrollingServer, code: str = "") -> device.Device:
    return await enrol(
        url="https://x", code=code or asked.code, folder=folder, name="south", transport=asked
    )


async def test_enrolled(tmp_path, server):
    made = await try_enrol(tmp_path / "g", EnrollingServer(server))
    assert device.load(tmp_path / "g") == made
    assert (tmp_path / "g" / device.FILE).stat().st_mode & 0o077 == 0
    with pytest.raises(CannotEnrol, match="is a gate already"):
        await try_enrol(tmp_path / "g", EnrollingServer(server))


async def test_another_server_answers(tmp_path, server):
    asked = EnrollingServer(server)
    asked.key = GateServer().server_key
    with pytest.raises(CannotEnrol, match="somebody may stand in between"):
        await try_enrol(tmp_path / "g", asked)


async def test_an_answer_that_was_changed(tmp_path, server):
    asked = EnrollingServer(server)
    asked.says = b"what the server had said"
    with pytest.raises(CannotEnrol, match="was changed on the way"):
        await try_enrol(tmp_path / "g", asked)
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply(404, {}, b"<html>"), "not a Shanmen server"),
        (Reply(200, {}, b"<html>"), "not a Shanmen server"),
        (Reply(401, {}, encode(Refusal(code="admission.device_clock"))), "clock is more than ten"),
        (
            Reply(403, {}, encode(Refusal(code="admission.enrol_code", detail="No such code."))),
            "No such code.",
        ),
    ],
)
async def test_refusals(tmp_path, server, reply, sentence):
    with pytest.raises(CannotEnrol, match=sentence):
        await try_enrol(tmp_path / "g", EnrollingServer(server, reply))


@pytest.mark.parametrize("code", ["7K2M9QX41C", "7K2M9QX41C-12", "-0123456789abcdef", ""])
async def test_half_a_code(tmp_path, server, code):
    with pytest.raises(CannotEnrol, match="not a whole code"):
        await try_enrol(tmp_path / "g", EnrollingServer(server), code or "x")


async def test_nobody_answers(tmp_path, server):
    asked = EnrollingServer(server)

    async def gone(*_: object, **__: object) -> Reply:
        raise Unreachable("The server is off.")

    asked.request = gone  # type: ignore[method-assign]
    with pytest.raises(CannotEnrol, match="The server is off"):
        await try_enrol(tmp_path / "g", asked)
