"""`shanmen run`: everything on one machine, as processes of one supervisor.

Embedded PostgreSQL (unless another is set), migrations, the sandbox payment provider, web
processes, a worker. It prints where to go and who can sign in, and Ctrl-C stops all of it.
"""

import asyncio
import contextlib
import http.client
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import structs

from shanmen.db.embedded import EmbeddedDatabase
from shanmen.kit.settings import Settings

READY_SECONDS = 180.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
ANSWER_SECONDS = 2.0
AGAIN_SECONDS = 0.2
MOST_ENDS = 5
ENDS_WITHIN = 60.0
OK = 200

log = logging.getLogger(__name__)


class CannotStart(Exception):
    """Why the server does not start: one sentence for whoever started it."""


@contextmanager
def running_database(settings: Settings) -> Iterator[Settings]:
    """Settings with a database that runs: the one that is set, or the embedded one, started here.

    Raises:
        CannotStart: the data folder cannot be used, or PostgreSQL does not start.
    """
    prepare_folder(settings.data_dir)
    if settings.database_url:
        yield settings
        return
    server = EmbeddedDatabase(settings.data_dir / "postgres")
    try:
        url = server.start()
    except Exception as error:
        msg = (
            f"The embedded PostgreSQL does not start; its log is {server.folder / 'log'} ({error})."
        )
        raise CannotStart(msg) from error
    try:
        with server.guard():
            yield structs.replace(settings, database_url=url)
    finally:
        server.stop()


def prepare_folder(folder: Path) -> None:
    """Make the data folder, and be sure that it can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        msg = (
            f"The data folder {folder.resolve()} cannot be written to ({error.strerror}); "
            "set SHANMEN_DATA_DIR to one that can."
        )
        raise CannotStart(msg) from error


def check_port(host: str, port: int, setting: str) -> None:
    """Be sure that nobody listens on a port yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            msg = (
                f"Port {port} on {host} cannot be used ({error.strerror}); stop what uses it, or "
                f"set {setting} to another."
            )
            raise CannotStart(msg) from error


def environment(settings: Settings) -> dict[str, str]:
    """The environment in which child processes find these settings."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("SHANMEN_")}
    for name in settings.__struct_fields__:
        env[f"SHANMEN_{name.upper()}"] = str(getattr(settings, name))
    env["SHANMEN_CONFIG"] = os.devnull
    return env


@dataclass(slots=True)
class Child:
    """A process of the supervisor."""

    name: str
    arguments: list[str]
    early: bool = False
    """Started before there is a database: it loads its code meanwhile, and waits for `tell`."""
    process: asyncio.subprocess.Process | None = field(default=None)
    ended: list[float] = field(default_factory=list)
    """When it ended by itself, or was killed."""

    async def start(self, env: dict[str, str]) -> None:
        """Start it, or start it again."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "shanmen",
            "--told-by-parent" if self.early else "--with-parent",
            *self.arguments,
            env=env,
            stdin=asyncio.subprocess.PIPE,
            # A group of its own: Ctrl-C reaches the supervisor, which stops them in order.
            process_group=0,
        )

    def tell(self, settings: Settings) -> None:
        """Say where the database is, to a process that was started early."""
        if self.early and self.process is not None and self.process.stdin is not None:
            self.process.stdin.write(f"{settings.database_url}\n".encode())

    def clear_away(self) -> None:
        """End what a killed process has left: its own processes would go on holding its port."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def hopeless(self, now: float) -> bool:
        """Whether it ends again and again, so that starting it once more would change nothing."""
        self.ended = [*(at for at in self.ended if now - at < ENDS_WITHIN), now]
        return len(self.ended) > MOST_ENDS


@asynccontextmanager
async def children(settings: Settings, wanted: list[Child]) -> AsyncIterator[list[Child]]:
    """Start those that are not, tell them of the database; stop all on leaving, in reverse."""
    env = environment(settings)
    try:
        for child in wanted:
            if child.process is None:
                await child.start(env)
            child.tell(settings)
        yield wanted
    finally:
        for child in reversed(wanted):
            if child.process is not None:
                await stop(child.process)


async def keep_alive(settings: Settings, child: Child) -> None:
    """Start a process again whenever it ends; returns when that is hopeless."""
    while child.process is not None:
        code = await child.process.wait()
        child.clear_away()
        if child.hopeless(time.monotonic()):
            return
        log.warning("the process %r ended (%s); starting it again", child.name, code)
        await asyncio.sleep(AGAIN_SECONDS)
        await child.start(environment(settings))
        child.tell(settings)


@asynccontextmanager
async def head_start(settings: Settings, child: Child) -> AsyncIterator[Child]:
    """A process that loads its code while the database starts; `children` then tells it more."""
    try:
        await child.start(environment(settings))
        yield child
    finally:
        if child.process is not None:
            await stop(child.process)


def hear_parent(settings: Settings) -> Settings:
    """Wait until the supervisor says where the database is; from then on end when it is gone."""
    said = b""
    while not said.endswith(b"\n"):
        more = os.read(0, 1)
        if not more:
            raise SystemExit(0)
        said += more
    follow_parent()
    return structs.replace(settings, database_url=said.decode().strip())


def follow_parent() -> None:
    """End this process when its supervisor is gone, however that went.

    The supervisor holds the other end of standard input; the operating system closes it.
    """

    def wait() -> None:
        # Not through sys.stdin: its lock would still be held when the interpreter ends.
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="leash", daemon=True).start()


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask a process to end, and make it after a while."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def ready(urls: Sequence[str], processes: list[Child]) -> None:
    """Wait until servers answer; raises CannotStart when a process ends or time is up."""
    deadline = time.monotonic() + READY_SECONDS
    waiting = list(urls)
    while time.monotonic() < deadline:
        for child in processes:
            if child.process is not None and child.process.returncode is not None:
                msg = f"The process {child.name!r} ended at once; the reason is above."
                raise CannotStart(msg)
        if not await asyncio.to_thread(answers, waiting[0]):
            await asyncio.sleep(POLL_SECONDS)
            continue
        waiting.pop(0)
        if not waiting:
            return
    msg = f"The server did not answer at {waiting[0]} within {READY_SECONDS:.0f} s."
    raise CannotStart(msg)


def answers(url: str) -> bool:
    """Whether a server of ours is well. With what Python has: a client takes longer to load."""
    at = urlsplit(url)
    if at.scheme == "https":
        # Our own certificate, on loopback.
        trusting = ssl._create_unverified_context()  # noqa: S323, SLF001
        client: http.client.HTTPConnection = http.client.HTTPSConnection(
            at.netloc, timeout=ANSWER_SECONDS, context=trusting
        )
    else:
        client = http.client.HTTPConnection(at.netloc, timeout=ANSWER_SECONDS)
    try:
        client.request("GET", "/healthz")
        return client.getresponse().status == OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()
