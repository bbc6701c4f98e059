"""The key of the documents' marks: in memory, and nowhere that outlives the power.

ID numbers can be enumerated, so whoever has this key and the marks has the numbers. It comes from
the server at each contact. So that a restarted agent need not wait for the network, it is also kept
in a file system that lives in memory, where there is one; a disk that is carried off has nothing.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_MEMORY = frozenset({"tmpfs", "ramfs"})
_MOUNTS = Path("/proc/self/mounts")


def memory_folder() -> Path | None:
    """A folder of this user's whose files live in memory; None where the system has none."""
    mounts = _memory_mounts()
    user = os.getuid()
    for parent in (Path(f"/run/user/{user}"), Path("/dev/shm")):  # noqa: S108 - asked for memory
        inside = any(parent == mount or mount in parent.parents for mount in mounts)
        if inside and os.access(parent, os.W_OK):
            return parent / f"shanmen-gate-{user}"
    return None


def _memory_mounts() -> list[Path]:
    try:
        lines = _MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    fields = (line.split() for line in lines)
    return [Path(parts[1]) for parts in fields if len(parts) > 2 and parts[2] in _MEMORY]  # noqa: PLR2004


class Secrets:
    """What must not be on the disk."""

    def __init__(self, folder: Path | None, *, name: str) -> None:
        self._file = folder / name if folder is not None else None
        self._document_key = self._read()

    @property
    def document_key(self) -> bytes | None:
        """Key of the documents' marks; None after a power cut until the server was reached."""
        return self._document_key

    def keep(self, key: bytes) -> None:
        """Take over the key that the server sent."""
        if not key or key == self._document_key:
            return
        self._document_key = key
        if self._file is None:
            return
        # A gate works without this copy, only not after its next restart without network.
        with suppress(OSError):
            _own_folder(self._file.parent)
            made = self._file.with_suffix(".new")
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
                f.write(key)
            made.replace(self._file)

    def wipe(self) -> None:
        """Forget the key, here and in the memory file."""
        self._document_key = None
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink()

    def _read(self) -> bytes | None:
        if self._file is None:
            return None
        try:
            if _foreign([self._file.parent, self._file]):
                return None
            return self._file.read_bytes() or None
        except OSError:
            return None


def _own_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if _foreign([folder]):
        raise PermissionError(folder)


def _foreign(paths: Iterable[Path]) -> bool:
    """Whether somebody else made one of these: `/dev/shm` is open to every user."""
    return any(path.lstat().st_uid != os.getuid() or path.is_symlink() for path in paths)
