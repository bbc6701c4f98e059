"""The keys of the documents' marks: in memory, and nowhere that outlives the power.

ID numbers can be enumerated, so whoever has this key and the marks has the numbers. It comes from
the server at each contact. So that a restarted agent need not wait for the network, it is also kept
in a file system that lives in memory, where there is one; a disk that is carried off has nothing.

When a gate of the site was revoked there is a new key. Until every ticket has come again with its
marks under that one, those that have not are still found by the key before it.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_KEY_BYTES = 32
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
        self._keys = self._read()

    @property
    def document_keys(self) -> tuple[bytes, ...]:
        """Keys of the documents' marks, the one that holds first, and those that are going.

        None after a power cut until the server was reached.
        """
        return self._keys

    @property
    def document_key(self) -> bytes | None:
        """The key that holds."""
        return self._keys[0] if self._keys else None

    def keep(self, key: bytes) -> None:
        """Take over the key that the server sent; those before it stay until `settle`."""
        if key and key != self.document_key:
            self._hold((key, *(each for each in self._keys if each != key)))

    def settle(self) -> None:
        """Nothing is marked with the keys before this one any more: forget them."""
        if len(self._keys) > 1:
            self._hold(self._keys[:1])

    def _hold(self, keys: tuple[bytes, ...]) -> None:
        self._keys = keys
        if self._file is None:
            return
        # A gate works without this copy, only not after its next restart without network.
        with suppress(OSError):
            _own_folder(self._file.parent)
            made = self._file.with_suffix(".new")
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
                f.write(b"".join(keys))
            made.replace(self._file)

    def wipe(self) -> None:
        """Forget the keys, here and in the memory file."""
        self._keys = ()
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink()

    def _read(self) -> tuple[bytes, ...]:
        if self._file is None:
            return ()
        try:
            if _foreign([self._file.parent, self._file]):
                return ()
            kept = self._file.read_bytes()
        except OSError:
            return ()
        return tuple(kept[at : at + _KEY_BYTES] for at in range(0, len(kept), _KEY_BYTES))


def _own_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if _foreign([folder]):
        raise PermissionError(folder)


def _foreign(paths: Iterable[Path]) -> bool:
    """Whether somebody else made one of these: `/dev/shm` is open to every user."""
    return any(path.lstat().st_uid != os.getuid() or path.is_symlink() for path in paths)
