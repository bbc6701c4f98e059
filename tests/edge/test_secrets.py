"""The documents' key stays in memory; it outlives the agent, not the power."""

import os

import pytest

from shanmen.edge.power import Power, read_power
from shanmen.edge.secrets import Secrets, memory_folder


def test_the_key_outlives_the_process(tmp_path):
    Secrets(tmp_path / "m", name="gate").keep(b"k" * 32)
    again = Secrets(tmp_path / "m", name="gate")
    keys = [again.document_key]
    assert (tmp_path / "m" / "gate").stat().st_mode & 0o077 == 0
    again.wipe()
    keys.append(again.document_key)
    assert keys == [b"k" * 32, None]
    assert Secrets(tmp_path / "m", name="gate").document_key is None


def test_without_a_memory_file_system_it_is_in_the_process_alone(tmp_path):
    secrets = Secrets(None, name="gate")
    keys = []
    for change in (lambda: secrets.keep(b"k" * 32), secrets.wipe):
        change()
        keys.append(secrets.document_key)
    assert keys == [b"k" * 32, None]


def test_a_folder_that_somebody_has_put_there(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "gate").write_bytes(b"evil" * 8)
    (tmp_path / "m").symlink_to(tmp_path / "real")
    secrets = Secrets(tmp_path / "m", name="gate")
    assert secrets.document_key is None
    secrets.keep(b"k" * 32)
    assert (tmp_path / "real" / "gate").read_bytes() == b"evil" * 8


def test_the_folder_is_one_of_memory():
    folder = memory_folder()
    if folder is None:
        pytest.skip("This machine has no file system in memory.")
    assert str(os.getuid()) in folder.name


def test_battery_and_mains(tmp_path):
    assert read_power(tmp_path) == Power(None, None)
    for name, files in {
        "BAT0": {"type": "Battery\n", "capacity": "81\n"},
        "BAT1": {"type": "Battery\n", "capacity": "43\n"},
        "AC": {"type": "Mains\n", "online": "0\n"},
        "odd": {"type": "Battery\n", "capacity": "?\n"},
    }.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    assert read_power(tmp_path) == Power(43, on_mains=False)
