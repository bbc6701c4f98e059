"""A network between a browser and a server that can become too weak to be of use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"


class WeakNetwork:
    """Passes bytes on to a server; what comes back may stop on its way, without an end."""

    def __init__(self, server: str) -> None:
        to = urlsplit(server)
        self._to = (to.hostname, to.port)
        self._flows = asyncio.Event()
        self._flows.set()
        self._passes = 0
        self._broken = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    def weaken(self, *, passes: int = 0) -> None:
        """From now on only so many bytes of each answer come through."""
        self._passes = passes
        self._flows.clear()

    def recover(self) -> None:
        """What has been kept back comes through, and everything after it."""
        self._broken = False
        self._flows.set()

    def lose_the_server(self) -> None:
        """From now on the proxy in front of the server says that it is gone."""
        self._broken = True

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._to
        up_reader, up_writer = await asyncio.open_connection(host, port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(reader, up_writer, writer))
                both.create_task(self._answers(up_reader, writer))
        except* OSError:
            pass
        finally:
            writer.close()
            up_writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, up: asyncio.StreamWriter, down: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if self._broken:
                down.write(BAD_GATEWAY)
            else:
                up.write(data)
        up.close()

    async def _answers(self, up: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
        while data := await up.read(65536):
            if not self._flows.is_set():
                down.write(data[: self._passes])
                data = data[self._passes :]
                await self._flows.wait()
            down.write(data)
        down.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["WeakNetwork"]:
        """The network, at an address of its own."""
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            listener.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
