"""Starting quickly, and ending with whoever started it."""

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from shanmen.launch.supervise import answers, ready

HEAR = """
import sys
from shanmen.kit.settings import Settings
from shanmen.launch.supervise import hear_parent
print(hear_parent(Settings()).database_url, flush=True)
import time
time.sleep(60)
"""
LOADED = """
import sys
import shanmen.cli, shanmen.launch.everything, shanmen.launch.supervise
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
HEAVY = {"alembic", "cryptography", "granian", "httpx", "litestar", "procrastinate", "sqlalchemy"}


def test_a_process_hears_where_the_database_is_and_ends_with_its_parent():
    with subprocess.Popen(
        [sys.executable, "-c", HEAR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("postgresql://postgres@/shanmen?host=/tmp/a folder\n")
        process.stdin.flush()
        assert process.stdout.readline() == "postgresql://postgres@/shanmen?host=/tmp/a folder\n"
        process.stdin.close()
        assert process.wait(20) != 0


def test_a_process_that_is_never_told_ends_with_its_parent():
    done = subprocess.run(
        [sys.executable, "-c", HEAR], input="", capture_output=True, text=True, timeout=20,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_starts_everything_loads_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert "shanmen" in loaded
    assert not loaded & HEAVY


class Well(BaseHTTPRequestHandler):
    """Is well, and says so."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


async def test_ready_is_when_all_answer():
    with HTTPServer(("127.0.0.1", 0), Well) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        await ready([address, address], [])
        server.shutdown()
    assert not answers(address)
