"""The file: a fresh load is quick, and whatever is wrong with a disk is one clear sentence."""

import os
import sqlite3
import time

import pytest
from msgspec import structs

from shanmen.admission.protocol import TicketRow
from shanmen.edge import store as stores
from shanmen.edge.store import FILE, Store, StoreBroken
from shanmen.edge.tickets import Tickets
from tests.support.gate_server import GateServer


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / FILE)
    yield opened
    opened.close()


def numbered(row: TicketRow, number: int) -> TicketRow:
    ticket_id = number.to_bytes(16, "big")
    marks = [((number * 7919).to_bytes(16, "little"), os.urandom(60))]
    return structs.replace(row, id=ticket_id, number=f"260501{number:010}-1", documents=marks)


def test_a_day_of_80_000_tickets_is_loaded_in_seconds(store):
    row = GateServer().sell(names=("张*", "李*"), tell=False).row
    rows = [numbered(row, number) for number in range(80_000)]
    tickets = Tickets(store)
    started = time.process_time()
    for first in range(0, len(rows), 1_000):
        with store.transaction():
            tickets.put(rows[first : first + 1_000], epoch=1)
    # Ten seconds are promised with the network; the processor's own time says it without noise.
    assert time.process_time() - started < 6
    assert tickets.number_of_tickets() == 80_000
    assert tickets.by_marks([rows[4711].documents[0][0]]) == [rows[4711]]
    assert store.path.stat().st_size < 90_000_000


def test_commits_wait_for_the_disk(store):
    assert store.one("PRAGMA synchronous") == (2,)
    assert store.one("PRAGMA journal_mode") == ("wal",)


def test_nobody_else_may_read_the_file(store):
    assert store.path.stat().st_mode & 0o077 == 0


def test_a_gate_runs_once(store):
    with pytest.raises(StoreBroken, match=r"running in .* already"):
        Store(store.path)


def test_looking_is_allowed_while_it_runs(store):
    with store.transaction():
        store.set_meta("a", b"1")
    looking = Store(store.path, look_only=True)
    assert looking.meta("a") == b"1"
    with pytest.raises(StoreBroken):
        looking.set_meta("a", b"2")
    looking.close()


def test_a_damaged_file(tmp_path):
    path = tmp_path / FILE
    path.write_bytes(os.urandom(8192))
    with pytest.raises(StoreBroken, match="is damaged: move it aside"):
        Store(path)


def test_a_page_that_went_bad(tmp_path):
    path = tmp_path / FILE
    store = Store(path)
    row = GateServer().sell(tell=False).row
    with store.transaction():
        Tickets(store).put([numbered(row, number) for number in range(2_000)], epoch=1)
    store.close()
    raw = bytearray(path.read_bytes())
    raw[4096 * 5 : 4096 * 40] = bytes(4096 * 35)
    path.write_bytes(raw)
    with pytest.raises(StoreBroken, match="is damaged"):
        Store(path)


def test_a_full_disk(store):
    pages = store.one("PRAGMA page_count")[0]
    store.one(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreBroken, match="is full: make room"), store.transaction():
        store.set_meta("big", bytes(1_000_000))
    assert store.meta("big") is None
    store.one("PRAGMA max_page_count = 1000000")
    with store.transaction():
        store.set_meta("small", b"1")
    assert store.meta("small") == b"1"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreBroken, match="cannot be written"):
        Store(tmp_path / "file" / FILE)


def test_a_file_of_a_later_version(tmp_path):
    Store(tmp_path / FILE).close()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreBroken, match="later version"):
        Store(tmp_path / FILE)


def test_a_file_of_an_earlier_version_is_brought_up(tmp_path):
    Store(tmp_path / FILE).close()
    added = "CREATE TABLE later (id INTEGER PRIMARY KEY);\nINSERT INTO later VALUES (7);\n"
    newer = Store(tmp_path / FILE, tables=(*stores.TABLES, added))
    assert newer.one("SELECT id FROM later") == (7,)
    newer.close()


def test_nothing_of_a_failed_transaction_stays(store):
    class Cut(Exception):
        pass

    def fail() -> None:
        store.set_meta("a", b"1")
        raise Cut

    with pytest.raises(Cut), store.transaction():
        fail()
    assert store.meta("a") is None
