"""Starts the stand-in as a process of its own, for the demo, for rehearsals and for tests."""

import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

_POLL_SECONDS = 0.05
_STOP_SECONDS = 10.0
_OK = 200


class StandInFailed(RuntimeError):
    """The stand-in did not come up."""


class StandInProcess:
    """A running stand-in at ``url``; ``stop()`` ends it, and so does this process's own end.

    The pipe to its standard input is the leash: the operating system closes it with this process.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        port: int,
        host: str = "127.0.0.1",
        public_url: str | None = None,
        ready_within_seconds: float = 60.0,
    ) -> None:
        self.url = f"http://{host}:{port}"
        command = [sys.executable, "-m", "shanmen.payments.standin", "--with-parent"]
        command += ["--host", host, "--port", str(port), "--data", str(data_dir)]
        if public_url:
            command += ["--public-url", public_url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603 - our own.
        try:
            self._wait_until_ready(host, port, ready_within_seconds)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def stop(self) -> None:
        """Let the leash go and wait for the end; kill what does not end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_until_ready(self, host: str, port: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise StandInFailed(f"The stand-in ended with {self._process.returncode}.")
            if _is_healthy(host, port):
                return
            time.sleep(_POLL_SECONDS)
        raise StandInFailed(f"The stand-in did not answer at {self.url} in {seconds} s.")


def _is_healthy(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == _OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
