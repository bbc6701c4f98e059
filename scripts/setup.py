"""Set up `.venv`: locked packages, the project itself and the browser libraries.

Each step leaves a digest of what it was made from, so a second run only compares digests.
Only the standard library is used here, because nothing else is installed yet.
"""

import argparse
import configparser
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / ".shanmen-setup.json"
REQUIREMENTS = ROOT / "requirements"
VENDOR = ROOT / "scripts" / "vendor.py"
VENDORED = ROOT / "src" / "shanmen" / "web" / "static" / "vendor"
DEFAULT_INDEX = "https://pypi.org/simple"
# A full installation with browser libraries takes about 700 MB.
NEEDED_BYTES = 1_000_000_000
CONNECT_SECONDS = 5.0


class SetupError(Exception):
    """A step failed; the message is the sentence that the person reads."""


def digest(*parts: str | Path) -> str:
    """Digest of texts and of files' contents; a file that is missing counts as empty."""
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else _content(part)
        total.update(len(content).to_bytes(8, "big") + content)
    return total.hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


class Stamps:
    """What was set up, and from what; kept inside `.venv`, so that it goes when that goes."""

    def __init__(self) -> None:
        try:
            self._known: dict[str, str] = json.loads(STAMPS.read_text())
        except (OSError, ValueError):
            self._known = {}

    def get(self, step: str) -> str | None:
        """Digest that the step left, if it was ever done here."""
        return self._known.get(step)

    def add(self, marks: dict[str, str]) -> None:
        """Record what was done, so that an interrupted set-up goes on after it."""
        self._known |= marks
        partial = STAMPS.with_suffix(".partial")
        partial.write_text(json.dumps(self._known, indent=1))
        partial.replace(STAMPS)

    def clear(self) -> None:
        """Forget everything: `.venv` is about to be made anew."""
        self._known = {}


@dataclass(frozen=True)
class Step:
    """Something still to do: what to tell, the work, and the digests that it leaves."""

    title: str
    work: Callable[[], None]
    marks: dict[str, str]


def run(*command: str | Path, env: dict[str, str] | None = None) -> bool:
    """Run a tool, with its output on the terminal; whether it succeeded."""
    environment = {**os.environ, **(env or {})}
    # `make PYTHON=…` exports it, and it means something else to some tools.
    environment.pop("PYTHON", None)
    arguments = [str(part) for part in command]
    return subprocess.run(arguments, env=environment, check=False).returncode == 0


# --- Packages ------------------------------------------------------------------------------------


def pip_files() -> list[Path]:
    """Files that pip reads its settings from, the strongest last."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    named = os.environ.get("PIP_CONFIG_FILE")
    # As pip has it: the null device as its file means no file at all.
    if named == os.devnull:
        return []
    known = [
        Path("/etc/pip.conf"),
        Path.home() / ".pip" / "pip.conf",
        config / "pip" / "pip.conf",
    ]
    return [*known, Path(named)] if named else known


def pip_settings(files: Iterable[Path], environ: Mapping[str, str]) -> dict[str, str]:
    """Settings of pip that say where packages come from; its variables are stronger than files."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(files, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        parser.clear()
    found: dict[str, str] = {}
    for name in ("index-url", "extra-index-url", "find-links", "cert", "trusted-host"):
        for section in ("global", "install"):
            if parser.has_option(section, name):
                found[name] = " ".join(parser.get(section, name).split())
        if value := environ.get("PIP_" + name.upper().replace("-", "_")):
            found[name] = value
    return found


def in_words_of_uv(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings of pip as variables for uv.

    It does not read pip's, and a machine behind a mirror usually has only those.
    """
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
        "trusted-host": "UV_INSECURE_HOST",
    }
    said = {names[name]: value for name, value in settings.items()}
    if "UV_FIND_LINKS" in said:
        said["UV_FIND_LINKS"] = ",".join(said["UV_FIND_LINKS"].split())
    if "UV_INDEX" in said:
        # uv stops at the first index that knows a name. Every file is pinned by its hash, so it may
        # look at all of them.
        said["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return said


def uv_environment() -> dict[str, str]:
    """What uv should be told; nothing where somebody has told it already."""
    if any(name in os.environ for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE")):
        return {}
    said = in_words_of_uv(pip_settings(pip_files(), os.environ))
    return {name: value for name, value in said.items() if name not in os.environ}


def quiet() -> list[str]:
    """Progress bars are for a terminal; a log gets errors only."""
    return [] if sys.stderr.isatty() else ["--quiet"]


def pip(*arguments: str | Path) -> bool:
    """Install with the environment's own pip, which is put there first where it is missing."""
    if not succeeds("-c", "import pip") and not succeeds("-m", "ensurepip"):
        message = (
            "This Python has no pip to install with: on Debian and Ubuntu, "
            "'apt-get install python3-venv', then run the same command again."
        )
        raise SetupError(message)
    options = ["--disable-pip-version-check", "--no-input", "--retries", "2", *quiet()]
    return run(PYTHON, "-m", "pip", "install", *options, *arguments)


def succeeds(*arguments: str) -> bool:
    """Whether the environment's Python does something, in silence."""
    return subprocess.run([PYTHON, *arguments], check=False, capture_output=True).returncode == 0


def find_uv() -> Path | None:
    """Give the machine's uv, or the one an earlier run put into `.venv`."""
    found = shutil.which("uv") or shutil.which("uv", path=str(VENV / "bin"))
    return Path(found) if found else None


def install(*arguments: str | Path, downloads: bool = True) -> bool:
    """Install with uv, which takes seconds where pip takes half a minute; else with pip."""
    lock = REQUIREMENTS / "installer.txt"
    uv = find_uv()
    if uv is None and pip("--require-hashes", "--only-binary=:all:", "-r", lock):
        uv = find_uv()
    if uv is not None:
        # Compiled here once: a server whose modules are compiled as it starts takes three times as
        # long, and always does where Python is told not to write what it compiled.
        target: list[str | Path] = ["--python", PYTHON, "--compile-bytecode", *quiet()]
        if run(uv, "pip", "install", *target, *arguments, env=uv_environment()):
            return True
        if not downloads:
            return False  # Nothing that pip could reach and uv could not.
        print("  uv could not install; trying with pip, which is slower …", flush=True)
    return pip(*arguments)


# --- Steps ---------------------------------------------------------------------------------------


def make_environment() -> None:
    """Make `.venv` anew, with pip only where no uv is at hand: pip alone takes five seconds."""
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    base = getattr(sys, "_base_executable", None) or sys.executable
    options = ["--without-pip"] if shutil.which("uv") else []
    if not run(base, "-m", "venv", *options, VENV):
        message = (
            "Python could not make .venv: on Debian and Ubuntu, 'apt-get install python3-venv', "
            "then run the same command again."
        )
        raise SetupError(message)


def install_packages(lock: str) -> None:
    """Install one locked list, and what the project itself is built with."""
    files = (REQUIREMENTS / f"{lock}.txt", REQUIREMENTS / "build.txt")
    if not install("--require-hashes", *(part for path in files for part in ("-r", path))):
        raise SetupError(why_packages_failed())


def install_project() -> None:
    """Link the working tree into `.venv`; its dependencies are there already."""
    arguments = ("--no-deps", "--no-build-isolation", "--editable", ROOT)
    if not install(*arguments, downloads=False):
        raise SetupError("The project itself could not be installed: the lines above say why.")
    run(PYTHON, "-m", "compileall", "-q", ROOT / "src")


def vendor_libraries() -> None:
    """Copy the locked browser libraries, with the machine's Node or one from a wheel."""
    if not (shutil.which("node") and shutil.which("npm")):
        print("  no Node on this machine: installing one into .venv …", flush=True)
        if not install("--require-hashes", "-r", REQUIREMENTS / "node.txt"):
            raise SetupError(why_packages_failed())
    if not run(PYTHON, VENDOR):
        message = (
            "The browser libraries could not be fetched: check the network, or name a mirror, "
            "as in 'npm_config_registry=https://… make setup'."
        )
        raise SetupError(message)


def why_packages_failed() -> str:
    """Look for the reason that a person can do something about."""
    # Both are slow to import, and only a failure needs them.
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    index = uv_environment().get("UV_DEFAULT_INDEX") or DEFAULT_INDEX
    try:
        page = urllib.request.Request(f"{index.rstrip('/')}/click/", method="HEAD")  # noqa: S310 - pip's own setting
        urllib.request.urlopen(page, timeout=CONNECT_SECONDS).close()  # noqa: S310 - as above
    except urllib.error.HTTPError:
        pass  # It answers, so the network is not what failed.
    except (OSError, ValueError) as problem:
        host = index.split("@")[-1].split("://")[-1].split("/")[0]
        return (
            f"The package index {host} cannot be reached ({problem}): check the network or the "
            "proxy, or name a mirror, as in 'PIP_INDEX_URL=https://… make setup'."
        )
    if shutil.disk_usage(ROOT).free < NEEDED_BYTES:
        return f"The disk under {ROOT} is nearly full: set-up needs about 1 GB."
    return "The packages could not be installed: the lines above say why."


def plan(mode: str, stamps: Stamps) -> Iterator[Step]:
    """Steps that are not done yet; each is looked for when the one before it is done."""
    # A folder that moved, or another Python, makes an environment useless.
    python = digest(str(ROOT), sys.version, sys.base_prefix)
    made = stamps.get("python")
    if not PYTHON.exists() or (made is not None and made != python):
        stamps.clear()
        yield Step("Python environment in .venv", make_environment, {})
    marks = {"python": python}
    locks = ("server", "dev") if mode == "dev" else ("server",)
    build = REQUIREMENTS / "build.txt"
    packages = {lock: digest(python, REQUIREMENTS / f"{lock}.txt", build) for lock in locks}
    if any(stamps.get(lock) != value for lock, value in packages.items()):
        # The developer's list holds the server's, at the same versions.
        lock = locks[-1]
        yield Step(f"packages ({lock})", lambda: install_packages(lock), marks | packages)
    project = digest(python, ROOT / "pyproject.toml")
    if stamps.get("project") != project or not (VENV / "bin" / "shanmen").exists():
        yield Step("Shanmen itself", install_project, marks | {"project": project})
    libraries = digest(ROOT / "package-lock.json", VENDOR)
    if VENDOR.exists() and (stamps.get("libraries") != libraries or not VENDORED.is_dir()):
        yield Step("browser libraries", vendor_libraries, marks | {"libraries": libraries})


def set_up(mode: str) -> None:
    """Do what is not done yet, with a line before and after each step."""
    began = time.monotonic()
    stamps = Stamps()
    steps = 0
    for step in plan(mode, stamps):
        if not os.access(ROOT, os.W_OK | os.X_OK):
            message = f"{ROOT} cannot be written to: run as its owner, or use a copy that you own."
            raise SetupError(message)
        steps += 1
        print(f"» {step.title} …", flush=True)
        step_began = time.monotonic()
        step.work()
        stamps.add(step.marks)
        print(f"  done in {time.monotonic() - step_began:.1f} s", flush=True)
    if steps:
        print(f"» ready in {time.monotonic() - began:.1f} s", flush=True)


def alone() -> int:
    """Keep a second set-up of the same tree waiting; the lock goes with the process."""
    handle = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("» waiting for another set-up of this folder …", flush=True)
        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def main() -> None:
    """Set up, and end with one sentence where it cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("runtime", "dev"), help="what to install packages for")
    mode = parser.parse_args().mode
    try:
        alone()
        set_up(mode)
    except SetupError as problem:
        stop(str(problem))
    except OSError as problem:
        stop(f"Set-up stopped: {problem.strerror or problem} ({problem.filename or ROOT}).")
    except KeyboardInterrupt:
        stop("Set-up was interrupted; the next run goes on from here.", status=130)


def stop(sentence: str, status: int = 1) -> NoReturn:
    """Say why, and end."""
    print(sentence, file=sys.stderr)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
