"""The product's processes as a benchmark starts them, and what processor time they take."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from shanmen.kit.settings import Settings
from shanmen.launch.supervise import environment

READY_SECONDS = 90
STOP_SECONDS = 20
OK = 200
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Processes:
    """`shanmen serve` (and others) over one database; all of them end with this one.

    Args:
        settings: what they run with.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def port(self) -> int:
        """Where pages and the API are served."""
        return self.settings.port

    def start(self, name: str, *arguments: str) -> None:
        """Start one part of the product."""
        self.running[name] = subprocess.Popen(
            [sys.executable, "-m", "shanmen", "--with-parent", *arguments],
            stdin=subprocess.PIPE,
            env=environment(self.settings),
            process_group=0,
        )

    def wait(self) -> None:
        """Wait until pages are served; raises RuntimeError when they are not."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self.running.values()):
                break
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status_code == OK:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        msg = f"the server does not answer on port {self.port}"
        raise RuntimeError(msg)

    def cpu_seconds(self) -> float:
        """Processor time of all parts and their own processes so far."""
        return sum(tree_cpu_seconds(process.pid) for process in self.running.values())

    def stop(self) -> None:
        """End all parts, the first started last."""
        for _, process in reversed(self.running.items()):
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self.running.clear()

    def __enter__(self) -> Self:
        """Start the web processes and wait for them."""
        try:
            self.start("web", "serve")
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self.stop()


def _stat(pid: int) -> list[str]:
    # The name stands in brackets and may hold spaces; the fields behind it do not.
    return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()


def tree_cpu_seconds(pid: int) -> float:
    """Processor time of a process and of all that it started, as far as Linux tells; else 0."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    try:
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = _stat(int(entry.name))
            except (OSError, IndexError):
                continue
            parents[int(entry.name)] = int(fields[1])
            # utime, stime, and those of children that have ended.
            ticks[int(entry.name)] = sum(int(fields[n]) for n in (11, 12, 13, 14))
    except OSError:
        return 0.0
    family = {pid}
    for child in sorted(parents):
        line = child
        while line in parents and line not in family and line > 1:
            line = parents[line]
        if line in family:
            family.add(child)
    return sum(ticks.get(member, 0) for member in family) / TICKS
