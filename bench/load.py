"""A lean load generator: one process, one loop, HTTP/1.1 with keep-alive, requests made beforehand.

It is plain sockets under ``selectors`` because everything that parses, validates or schedules more
would take the processor from the server that shares the machine. `measure_itself` says how fast it
is where the server does nothing.
"""

import gc
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

RECEIVE_BYTES = 65536
SILENCE_SECONDS = 30.0
"""A server that answers nothing for so long has failed."""
LONGEST_WAIT = 0.05
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "
KEPT_PROBLEMS = 5

Request = tuple[bytes, Any]
"""The bytes to send, and whatever `Stream.heard` wants to know of them again."""


class LoadFailed(Exception):
    """The server closed a connection, fell silent, or answered what cannot be read."""


def http(
    method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """A request's bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", "Connection: keep-alive"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


@dataclass(slots=True)
class Stream:
    """A kind of load: its requests, how many at once, and what came back.

    Args:
        requests: made beforehand, or cheap to make; when they end, the stream ends.
        connections: requests in flight at most; each waits for its answer before the next.
        port: where to; the same for all, or one for each stream.
        per_second: send at this pace, as people come, instead of as fast as answers come back;
            latency then counts from the moment at which the request was due.
        heard: called with the request's own value, the status and the body of each answer.
        good: the status that counts as done; others are errors.
    """

    requests: Iterable[Request]
    connections: int
    port: int
    per_second: float | None = None
    heard: Callable[[Any, int, bytes], None] | None = None
    good: int = 200
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[bytes] = field(default_factory=list)
    """The first few answers that were not good, for whoever looks for the cause."""
    seconds: float = 0.0
    """From the first request to the last answer."""

    @property
    def done(self) -> int:
        """Requests that were answered as they should be."""
        return self.statuses[self.good]

    @property
    def errors(self) -> int:
        """Requests that were answered otherwise."""
        return sum(self.statuses.values()) - self.done

    @property
    def per_s(self) -> float:
        """Good answers a second."""
        return self.done / self.seconds if self.seconds else 0.0

    def percentile_ms(self, share: float) -> float:
        """The latency that this share of all requests stayed within, in milliseconds."""
        return percentile(self.latencies, share) * 1000


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


@dataclass(slots=True)
class Connection:
    """A connection and the one request that may be in flight on it."""

    wire: socket.socket
    stream: "Running"
    since: float = 0.0
    tag: Any = None
    got: bytes = b""
    rest: bytes = b""
    """What the system would not take of the request yet."""


@dataclass(slots=True)
class Running:
    """A stream while it runs."""

    stream: Stream
    requests: Iterator[Request]
    idle: deque[Connection] = field(default_factory=deque)
    sent: int = 0
    ended: bool = False
    last: float = 0.0


class Generator:
    """Runs streams until their time is up, then waits for what is in flight.

    Args:
        streams: run side by side, in one loop.
        seconds: nothing is sent afterwards.
    """

    def __init__(self, streams: Iterable[Stream], *, seconds: float) -> None:
        self.running = [Running(stream, iter(stream.requests)) for stream in streams]
        self.seconds = seconds
        self.selector = selectors.DefaultSelector()
        self.in_flight = 0
        self.started = 0.0
        self.until = 0.0

    def run(self) -> None:
        """Load the servers; the streams hold what came back.

        Raises:
            LoadFailed: a server did not keep to HTTP, closed a connection, or fell silent.
        """
        try:
            for running in self.running:
                self._connect(running)
            # What is made for the run lives until its end; looking through it again and again
            # would be counted as the server's latency.
            gc.collect()
            gc.freeze()
            gc.disable()
            self._loop()
        finally:
            gc.enable()
            gc.unfreeze()
            for key in list(self.selector.get_map().values()):
                key.data.wire.close()
            self.selector.close()

    def _connect(self, running: Running) -> None:
        for _ in range(running.stream.connections):
            wire = socket.create_connection(("127.0.0.1", running.stream.port), timeout=10)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.setblocking(False)  # noqa: FBT003 - the socket's own signature
            connection = Connection(wire, running)
            self.selector.register(wire, selectors.EVENT_READ, connection)
            running.idle.append(connection)

    def _loop(self) -> None:
        self.started = heard = time.perf_counter()
        self.until = self.started + self.seconds
        wait = 0.0
        while self.in_flight or not all(r.ended for r in self.running):
            for key, mask in self.selector.select(wait):
                heard = time.perf_counter()
                if mask & selectors.EVENT_WRITE:
                    self._write_rest(key.data)
                if mask & selectors.EVENT_READ:
                    self._read(key.data)
            now = time.perf_counter()
            if self.in_flight and now - heard > SILENCE_SECONDS:
                msg = f"no answer for {SILENCE_SECONDS:.0f} s"
                raise LoadFailed(msg)
            wait = min(self._feed(running, now) for running in self.running)
        for running in self.running:
            running.stream.seconds = running.last - self.started

    def _feed(self, running: Running, now: float) -> float:
        """Send on idle connections what is due; returns for how long to wait at most."""
        stream = running.stream
        if running.ended:
            return LONGEST_WAIT
        if now >= self.until:
            running.ended = True
            return LONGEST_WAIT
        pace = stream.per_second
        while running.idle:
            due = now if pace is None else self.started + running.sent / pace
            if due > now:
                return min(LONGEST_WAIT, due - now)
            try:
                data, tag = next(running.requests)
            except StopIteration:
                running.ended = True
                break
            self._send(running.idle.popleft(), data, tag, due)
            running.sent += 1
        return LONGEST_WAIT

    def _send(self, connection: Connection, data: bytes, tag: Any, since: float) -> None:  # noqa: ANN401
        connection.tag = tag
        connection.since = since
        self.in_flight += 1
        taken = connection.wire.send(data)
        if taken < len(data):
            connection.rest = data[taken:]
            self.selector.modify(
                connection.wire, selectors.EVENT_READ | selectors.EVENT_WRITE, connection
            )

    def _write_rest(self, connection: Connection) -> None:
        taken = connection.wire.send(connection.rest)
        connection.rest = connection.rest[taken:]
        if not connection.rest:
            self.selector.modify(connection.wire, selectors.EVENT_READ, connection)

    def _read(self, connection: Connection) -> None:
        data = connection.wire.recv(RECEIVE_BYTES)
        if not data:
            raise LoadFailed("the server closed a connection")
        if connection.got:
            data = connection.got + data
        head = data.find(END_OF_HEAD)
        if head < 0:
            connection.got = data
            return
        at = data.find(LENGTH, 0, head)
        if at < 0:
            raise LoadFailed(f"an answer without a length: {data[:200]!r}")
        at += len(LENGTH)
        body = head + len(END_OF_HEAD)
        missing = body + int(data[at : data.index(b"\r", at)]) - len(data)
        if missing > 0:
            connection.got = data
            return
        connection.got = b""
        self._answered(connection, int(data[9:12]), data[body:])

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        now = time.perf_counter()
        running = connection.stream
        stream = running.stream
        self.in_flight -= 1
        running.last = now
        stream.latencies.append(now - connection.since)
        stream.statuses[status] += 1
        if status != stream.good and len(stream.problems) < KEPT_PROBLEMS:
            stream.problems.append(body)
        if stream.heard is not None:
            stream.heard(connection.tag, status, body)
        if running.ended:
            return
        if stream.per_second is not None:
            running.idle.append(connection)
            return
        if now >= self.until:
            running.ended = True
            return
        # Answered and asked again at once: this is the path that a full load takes.
        try:
            data, tag = next(running.requests)
        except StopIteration:
            running.ended = True
            return
        self._send(connection, data, tag, now)


def load(*streams: Stream, seconds: float) -> None:
    """Run streams side by side; raises LoadFailed."""
    Generator(streams, seconds=seconds).run()
