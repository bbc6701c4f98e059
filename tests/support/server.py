"""A whole server for tests: web processes, worker and sandbox payments, each its own process."""

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
from msgspec import structs

from shanmen.kit.crypto import MasterKeys
from shanmen.kit.settings import Settings
from shanmen.launch.supervise import environment
from tests.support.patience import READY_SECONDS, STOP_SECONDS

OK = 200


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """The processes of `shanmen serve`, `shanmen worker` and the sandbox over one database."""

    def __init__(self, url: str, folder: Path, masters: MasterKeys, *, processes: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "master.key").write_text(masters.current.line() + "\n")
        self.settings = Settings(
            data_dir=folder,
            database_url=url,
            port=free_port(),
            sandbox_pay_port=free_port(),
            processes=processes,
            log_level="warning",
        )
        self.url = self.settings.base_url
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        """Start one part, tied to this process."""
        self.running[name] = subprocess.Popen(
            [sys.executable, "-m", "shanmen", "--with-parent", *arguments],
            stdin=subprocess.PIPE,
            env=environment(self.settings),
            process_group=0,
        )

    def start_all(self) -> None:
        """Start all parts and wait until pages are served."""
        self.start("pay", "stand-in", "pay", "--port", str(self.settings.sandbox_pay_port))
        self.start("worker", "worker")
        self.start("web", "serve")
        self.wait()

    def wait(self) -> None:
        """Wait until pages are served."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == OK:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        msg = f"the server did not answer at {self.url}"
        raise RuntimeError(msg)

    def kill(self, name: str) -> None:
        """End a part and its own processes at once, as a power cut would."""
        process = self.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def stop(self) -> None:
        """End everything in order."""
        for process in self.running.values():
            process.terminate()
        for name, process in list(self.running.items()):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill(name)
                continue
            if process.stdin is not None:
                process.stdin.close()
        self.running.clear()

    def with_settings(self, **changes: object) -> None:
        """Change settings for parts that start from now on."""
        self.settings = structs.replace(self.settings, **changes)

    def __enter__(self) -> Self:
        """Start all parts."""
        try:
            self.start_all()
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
        """Stop all parts."""
        self.stop()
