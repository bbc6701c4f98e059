"""The real server's application, asked without sockets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shanmen.app import create_app
from shanmen.db.session import Database
from shanmen.edge.wire import Reply
from shanmen.kit.settings import Settings


class Backend:
    """One application for all days of a run; each day is a tenant of its own.

    An HTTP client in between would cost a tenth of a day and prove nothing: what a gate puts on
    the wire is tried with real sockets elsewhere.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self._app = create_app(Settings(data_dir=folder), database=database)

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Ask once, as a web server would have it asked."""
        route, _, query = path.partition("?")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": route,
            "raw_path": route.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"server")]
            + [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "server": ("server", 80),
            "client": ("gate", 1),
        }
        questions = [{"type": "http.request", "body": body, "more_body": False}]
        status, answered, parts = 0, dict[str, str](), list[bytes]()

        async def receive() -> dict[str, Any]:
            return questions.pop() if questions else {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered.update(
                    {name.decode().lower(): value.decode() for name, value in message["headers"]}
                )
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, send)  # type: ignore[arg-type] # ASGI's own types are wider
        return Reply(status, answered, b"".join(parts))
