"""How fast the load generator is by itself, so that nobody takes its limit for the server's."""

import subprocess
import sys
import time
from functools import cache
from itertools import repeat
from typing import Any

import httpx

from bench.load import Stream, http, load
from bench.processes import READY_SECONDS, free_port

SECONDS = 1.5
CONNECTIONS = 64
BODY_BYTES = 600


@cache
def generator_speed() -> dict[str, Any]:
    """Requests a second against an empty handler, and what each costs the generator."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "bench.empty", str(port)]) as process:
        try:
            _wait(port)
            request = http("POST", "/", headers={"Authorization": "x" * 60}, body=b"x" * BODY_BYTES)
            load(Stream(repeat((request, None), 200), CONNECTIONS, port), seconds=SECONDS)
            stream = Stream(repeat((request, None)), CONNECTIONS, port)
            before = time.process_time()
            load(stream, seconds=SECONDS)
            spent = time.process_time() - before
        finally:
            process.terminate()
    return {
        "what": "bench/load.py: one process, one loop of plain sockets, requests made beforehand",
        "per_s": round(stream.per_s),
        "cpu_us": round(spent / max(stream.done, 1) * 1e6, 1),
    }


def _wait(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=2)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the empty handler does not answer")
