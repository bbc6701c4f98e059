"""What the tidy tests look at: the files of the checkout, as git sees them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "shanmen"


@cache
def files() -> tuple[Path, ...]:
    """Every file that belongs to the repository, those not added yet included; sorted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        names = listed.stdout.split("\0")
        found = (ROOT / name for name in names if name)
    else:  # An unpacked archive has no git: then it has nothing else in it either.
        found = (path for path in ROOT.rglob("*") if ".venv" not in path.parts)
    return tuple(sorted(path for path in found if path.is_file()))


def named(*suffixes: str, under: Path = ROOT) -> tuple[Path, ...]:
    """Files with one of the suffixes, in one folder and below it."""
    return tuple(path for path in files() if path.suffix in suffixes and under in path.parents)


def short(path: Path) -> str:
    """The name as the repository has it."""
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str | None:
    """Contents, or nothing where the file is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
