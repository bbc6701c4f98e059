"""What is on a simulated disk after a power cut: what was synced, and nothing else."""

import random
from pathlib import Path

import pytest

from shanmen.edge.store import FILE, Store
from shanmen.sim.machine import Disk, PowerLost


def keep(disk: Disk, value: bytes) -> None:
    with disk.transaction():
        disk.set_meta("word", value)


def left(disk: Disk, folder: Path) -> bytes | None:
    store = Store(disk.pull(folder / "after", random.Random(1)))
    try:
        return store.meta("word")
    finally:
        store.close()


def test_a_commit_survives(tmp_path: Path):
    disk = Disk(tmp_path / FILE)
    keep(disk, b"one")
    assert left(disk, tmp_path) == b"one"


def test_power_goes_within_a_transaction(tmp_path: Path):
    disk = Disk(tmp_path / FILE)
    keep(disk, b"one")
    disk.fuse = 1
    with pytest.raises(PowerLost):
        keep(disk, b"two")
    assert left(disk, tmp_path) == b"one"


def test_power_goes_right_after_the_commit(tmp_path: Path):
    disk = Disk(tmp_path / FILE)
    disk.fuse = 2
    with pytest.raises(PowerLost):
        keep(disk, b"one")
    assert left(disk, tmp_path) == b"one"


@pytest.mark.parametrize("kind", ["lies", "hurries"])
def test_what_was_not_synced_is_gone(tmp_path: Path, kind: str):
    disk = Disk(tmp_path / FILE, lies=kind == "lies", hurries=kind == "hurries")
    keep(disk, b"one")
    for number in range(5):
        keep(disk, f"later {number}".encode())
    assert left(disk, tmp_path) in {None, b"one"}
