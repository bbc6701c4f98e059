"""A gate of the site was revoked: the others are given a new key for documents."""

from pathlib import Path

import pytest
from msgspec import structs

from shanmen.admission import protocol
from shanmen.admission.protocol import PATH_CHANGES, Holders, TicketRow
from shanmen.edge.secrets import Secrets
from shanmen.edge.store import FILE
from shanmen.edge.wire import Unreachable
from tests.support.gate_server import DOCUMENT_KEY, LANES, GateServer

ONE = LANES[0]
CARDS = "11010119900307002X", "110101199003070038", "110101199003070054"
NEW = b"n" * 32


def marked(row: TicketRow, card: str, key: bytes = NEW) -> TicketRow:
    """The row with its holder's document under a key."""
    sealed = protocol.seal(protocol.document_seal_key(key, card), Holders(["张*"]))
    return structs.replace(row, documents=[(protocol.document_mark(key, card), sealed)])


class Interrupted(GateServer):
    """Can be cut off after so many answers to questions for changes."""

    left = 1_000

    async def request(self, method, path, **asked):
        if path.startswith(PATH_CHANGES):
            self.left -= 1
            if self.left < 0:
                raise Unreachable("The network is gone.")
        return await super().request(method, path, **asked)


@pytest.fixture
def server() -> GateServer:
    return Interrupted()


def turn_key(server, gates, sold, *, blocked=()) -> None:
    """As the server does: another key, its marks, and everything from the beginning."""
    marks = [protocol.document_mark(NEW, card) for card in blocked]
    server.change_setup(document_key=NEW, blocked=marks)
    server.changed = [ticket.id for ticket in sold]
    for ticket, card in zip(sold, CARDS, strict=True):
        server.rows[ticket.id] = marked(ticket.row, card)
    gate = gates.running[0]._gate
    with gate.store.transaction():
        gate.memory._keep(mark="")


async def test_documents_are_found_all_the_time(gates, server):
    sold = [server.sell(documents=(card,), names=("张*",)) for card in CARDS]
    agent = await gates.ready()
    turn_key(server, gates, sold)
    server.page, server.left = 1, 1
    await agent.sync()
    assert not agent.status().connected
    # One ticket is marked anew, two are not; neither a restart nor the network's end matters.
    agent = await gates.restart(agent)
    server.down = True
    for card in CARDS[:2]:
        answer = await agent.scan(ONE, card)
        assert (answer.outcome, answer.names) == ("admitted", ["张*"])
    server.down, server.left, server.page = False, 1_000, 5_000
    await agent.sync()
    assert server.journal[0].document_mark == protocol.document_mark(NEW, CARDS[0])
    server.down = True
    assert (await agent.scan(ONE, CARDS[2])).outcome == "admitted"
    assert (await agent.scan(ONE, CARDS[1])).reason == "already_used"


async def test_who_is_blocked_stays_out_all_the_time(gates, server):
    sold = [server.sell(documents=(card,)) for card in CARDS]
    server.change_setup(blocked=[protocol.document_mark(DOCUMENT_KEY, CARDS[2])])
    agent = await gates.ready()
    turn_key(server, gates, sold, blocked=CARDS[2:])
    server.page, server.left = 1, 1
    await agent.sync()
    server.down = True
    # By the code, so that nothing but the ticket's own mark tells who it is.
    assert (await agent.scan(ONE, sold[2].text)).reason == "blocked"
    assert (await agent.scan(ONE, CARDS[2])).reason == "blocked"
    server.down, server.left = False, 1_000
    await agent.sync()
    server.down = True
    assert (await agent.scan(ONE, sold[2].text)).reason == "blocked"


async def test_the_key_before_is_worth_nothing_then(gates, server, folder: Path):
    sold = [server.sell(documents=(card,)) for card in CARDS]
    agent = await gates.ready()
    old = [protocol.document_mark(DOCUMENT_KEY, card) for card in CARDS]
    kept = [folder / FILE, folder / f"{FILE}-wal"]
    assert any(old[0] in path.read_bytes() for path in kept)
    turn_key(server, gates, sold)
    await agent.sync()
    for path in (*kept, *gates.secrets.glob("*")):
        content = path.read_bytes()
        assert not any(mark in content for mark in old)
        assert DOCUMENT_KEY not in content


def test_several_keys_one_after_the_other(tmp_path: Path):
    secrets = Secrets(tmp_path / "m", name="gate")
    for key in (b"a" * 32, b"b" * 32, b"c" * 32):
        secrets.keep(key)
    again = Secrets(tmp_path / "m", name="gate")
    assert again.document_keys == (b"c" * 32, b"b" * 32, b"a" * 32)
    again.settle()
    assert Secrets(tmp_path / "m", name="gate").document_keys == (b"c" * 32,)
