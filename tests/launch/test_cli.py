"""Commands as they are typed: what they say, and that a broken setting is one sentence."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shanmen.db.session import Database
from tests.conftest import MASTERS
from tests.support.park import make_park


def shanmen(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("SHANMEN_")}
    return subprocess.run(
        [sys.executable, "-m", "shanmen", *arguments],
        env=env | {f"SHANMEN_{name.upper()}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_broken_setting_is_one_sentence():
    done = shanmen("settings", port="abc")
    assert done.returncode == 1
    assert "SHANMEN_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_busy_port_is_one_sentence(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = shanmen("run", port=str(port), data_dir=str(tmp_path))
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path):
    (tmp_path / "data").touch()
    done = shanmen("migrate", data_dir=str(tmp_path / "data"))
    assert done.returncode == 1
    assert "cannot be written to" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("code", ["new-operator"])
async def test_an_operator_is_added_once(
    db_url: str, database: Database, tmp_path: Path, code: str
):
    def add(password: str) -> subprocess.CompletedProcess[str]:
        return shanmen(
            "operator", "add", code, "--name", "新景区", "--password", password,
            data_dir=str(tmp_path), database_url=db_url,
        )  # fmt: skip

    assert "at least" in add("short").stderr
    made = add("a long enough password")
    assert made.returncode == 0, made.stderr
    assert f"admin@{code}" in made.stdout
    again = add("a long enough password")
    assert again.returncode == 1
    assert "Traceback" not in again.stderr


async def test_the_master_key_is_changed_step_by_step(
    own_url: str, own_database: Database, tmp_path: Path
):
    (tmp_path / "master.key").write_text(MASTERS.current.line() + "\n")
    await make_park(own_database, code="keys")

    def keys(*arguments: str) -> subprocess.CompletedProcess[str]:
        return shanmen("keys", *arguments, data_dir=str(tmp_path), database_url=own_url)

    made = keys("new", "spring")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "master.key").stat().st_mode & 0o077 == 0
    twice = keys("new", "spring")
    assert twice.returncode == 1
    assert "Traceback" not in twice.stderr
    done = keys("rewrap")
    assert "1 wrapped anew; all are now under spring." in done.stdout
    assert "except for older backups of the database: test." in done.stdout
    assert "0 wrapped anew" in keys("rewrap").stdout
    lines = (tmp_path / "master.key").read_text().splitlines()
    (tmp_path / "master.key").write_text(lines[0] + "\n")
    lost = keys("rewrap")
    assert lost.returncode == 1
    assert "Nothing was changed" in lost.stderr
