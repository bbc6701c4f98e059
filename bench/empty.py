"""An application that does nothing, to see how fast the load generator is by itself."""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

Message = MutableMapping[str, Any]
BODY = b"{}"
START: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
}
END: Message = {"type": "http.response.body", "body": BODY}


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],  # noqa: ARG001 - ASGI passes it
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer any request at once."""
    if scope["type"] == "http":
        await send(START)
        await send(END)


if __name__ == "__main__":
    Server(
        "bench.empty:app",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        backlog=2048,
        websockets=False,
        log_level=LogLevels.error,
    ).serve()
