"""The static files: stylesheets, scripts, pictures and the vendored browser libraries.

All of them are served under ``/static/<version>/…`` where the version is a hash of the whole
tree, so that a module's relative imports and a stylesheet's ``url()`` carry it too and a
browser may keep every file for ever.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, route
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

__all__ = ["Asset", "Assets", "static_route"]

STATIC_ROOT: Final = Path(__file__).parent / "static"
PREFIX: Final = "/static"

_TYPES: Final = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_COMPRESSED: Final = frozenset(
    {".css", ".js", ".json", ".map", ".mjs", ".svg", ".txt", ".wasm", ".webmanifest"}
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent: its bytes, the same compressed where that helps, its type."""

    body: bytes
    zipped: bytes | None
    media_type: str
    etag: str


class Assets:
    """The static tree, read once; with ``watch`` it is looked at again for every page."""

    def __init__(self, root: Path = STATIC_ROOT, *, watch: bool = False) -> None:
        self._root = root
        self._watch = watch
        self._loaded: dict[str, Asset] = {}
        self._stamp: object = None
        self._version = ""
        self._paths: dict[str, Path] = {}
        self._scan()

    def _scan(self) -> None:
        paths = {
            path.relative_to(self._root).as_posix(): path
            for path in sorted(self._root.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }
        stamp = tuple((name, path.stat().st_mtime_ns) for name, path in paths.items())
        if stamp == self._stamp:
            return
        digest = hashlib.sha256()
        for name, path in paths.items():
            digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        self._paths, self._stamp, self._version = paths, stamp, digest.hexdigest()[:12]
        self._loaded.clear()

    @property
    def version(self) -> str:
        """The hash of the whole tree."""
        return self._version

    def url(self, name: str) -> str:
        """Return the address of a static file, for example ``css/base.css``.

        Raises:
            FileNotFoundError: there is no such file; a page must not point at nothing.
        """
        if self._watch:
            self._scan()
        if name not in self._paths:
            hint = "; run scripts/vendor.py" if name.startswith("vendor/") else ""
            message = f"no static file {name!r}{hint}"
            raise FileNotFoundError(message)
        return f"{PREFIX}/{self._version}/{name}"

    def load(self, name: str) -> Asset | None:
        """Return a file ready to be sent, or None when there is none of that name."""
        if self._watch:
            self._scan()
        if (asset := self._loaded.get(name)) is not None:
            return asset
        path = self._paths.get(name)
        if path is None:
            return None
        body = path.read_bytes()
        zipped = gzip.compress(body, 9, mtime=0) if path.suffix in _COMPRESSED else None
        if zipped is not None and len(zipped) >= len(body):
            zipped = None
        media_type = (
            _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        )
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        asset = self._loaded[name] = Asset(body, zipped, media_type, etag)
        return asset

    def respond(
        self, request: Request[Any, Any, Any], name: str, *, cache_control: str
    ) -> Response[bytes]:
        """Answer with a file, compressed when the browser takes that, or 304 when it has it.

        Raises:
            NotFoundException: there is no such file.
        """
        asset = self.load(name)
        if asset is None:
            raise NotFoundException
        headers = {"cache-control": cache_control, "etag": asset.etag, "vary": "accept-encoding"}
        known = request.headers.get("if-none-match", "")
        if asset.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(b"", status_code=304, headers=headers, media_type=asset.media_type)
        body = asset.body
        if asset.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            body = asset.zipped
            headers["content-encoding"] = "gzip"
        return Response(body, headers=headers, media_type=asset.media_type)


IMMUTABLE: Final = "public, max-age=31536000, immutable"


def static_route(assets: Assets) -> list[HTTPRouteHandler]:
    """Return the handlers that serve the static tree and the site's icon."""

    @route(
        f"{PREFIX}/{{version:str}}/{{path:path}}",
        http_method=["GET", "HEAD"],
        include_in_schema=False,
        name="static",
    )
    async def static_file(
        request: Request[Any, Any, Any], version: FromPath[str], path: FromPath[str]
    ) -> Response[bytes]:
        # An old page may ask by an old version: it gets today's file, but may not keep it.
        cache_control = IMMUTABLE if version == assets.version else "no-cache"
        return assets.respond(request, path.lstrip("/"), cache_control=cache_control)

    @route("/favicon.ico", http_method=["GET", "HEAD"], include_in_schema=False)
    async def favicon(request: Request[Any, Any, Any]) -> Response[bytes]:
        return assets.respond(request, "img/mark.svg", cache_control="public, max-age=86400")

    return [static_file, favicon]
