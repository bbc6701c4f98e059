"""Each module has the same files with the same meaning, and keeps its inside to itself."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.tidy.tree import PACKAGE, ROOT, files, named, short

# What stands beside the modules: kits and programs have names of their own.
FREE = {"kit", "db", "web", "edge", "demo", "sim", "launch"}

FILES = {
    "__init__",
    "rules",
    "models",
    "queries",
    "service",
    "events",
    "errors",
    "schemas",
    "api",
    "pages",
    "jobs",
    "subscribers",
}
FOLDERS = {"templates", "locale", "static"}
# Names beyond the common ones, each with what asks for it.
MORE = {
    # What gates and server say to each other; scans that share a transaction; reading what was
    # presented; rows as the decision wants them; the words of a decision.
    "admission": {"protocol", "bound", "coalesce", "presented", "records", "say"},
    # How long channels hold places: shapes, reading, setting; hours of admission: shapes, words.
    "catalog": {"hold_times", "admission_hours"},
    # What the console shows by the second; the count of all places that nobody else can make.
    "insight": {"live", "stock_audit"},
    # The one place that changes stock, for many requests at once; days kept in memory; the
    # arithmetic of channels' shares, and their shapes; who tells what was sold.
    "inventory": {"stock", "board", "allotments", "division", "sales"},
    "orders": {"desk"},  # The process's order desk: requests that share a transaction.
    # One file a provider, and which are in use; a bank to try them against.
    "payments": {"providers", "registry", "standin"},
    # Guards of all routes, with what they remember; hashing off the loop; the gate's look at
    # places; calls that are repeated with their key.
    "sites": {"access", "cache", "passwords", "places", "repeats"},
    # The signed token, the moving code, how zones count, keys; what a gate asks of tickets,
    # and what it must hear of; the public log.
    "tickets": {"token", "rotating", "zones", "keys", "gate", "feed", "log"},
}

# The inside of a module, and the files that put modules together and may look there.
INSIDE = {"models", "api", "pages", "jobs", "subscribers"}
ASSEMBLY = {"wiring", "app", "worker"}

# Modules that the gate agent is made of: they must load without server, database or templates.
GATE = (
    "shanmen.kit",
    "shanmen.tickets.token",
    "shanmen.tickets.rotating",
    "shanmen.admission.rules",
    "shanmen.admission.protocol",
    "shanmen.admission.bound",
    "shanmen.edge",
)
SERVER_ONLY = (
    "sqlalchemy",
    "psycopg",
    "litestar",
    "jinja2",
    "procrastinate",
    "shanmen.db",
    "shanmen.web",
)

SOURCES = named(".py", under=PACKAGE)


def module_of(path: Path) -> str:
    """First part below the package: `orders` of `src/shanmen/orders/rules.py`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def misplaced(parts: tuple[str, ...]) -> str | None:
    """Why a file (its path below the package) has no place in the layout."""
    module, *rest = parts
    if not rest or module in FREE:
        return None
    allowed = FILES | FOLDERS | MORE.get(module, set())
    name = rest[0].removesuffix(".py")
    if name in FOLDERS and len(rest) == 1:
        return f"{name} is a folder, not a file"
    if name not in allowed:
        return f"{name} is not one of the files of a module"
    if name == "templates" and (len(rest) < 3 or rest[1] != module):
        return f"templates of {module} belong in templates/{module}/"
    return None


def more_than_a_docstring(text: str, *, split: str = "") -> bool:
    """Whether a package's file does anything but explain.

    A file that was split into a folder (``split``, its dotted name) may also gather what its parts
    offer, so that those who call it need not know that it was split.
    """
    first, *rest = ast.parse(text).body or [ast.Pass()]
    explains = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return not explains or not all(split and gathers(node, split) for node in rest)


def gathers(node: ast.stmt, split: str) -> bool:
    if isinstance(node, ast.ImportFrom):
        return f"{node.module}.".startswith(f"{split}.")
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def imported(text: str) -> Iterator[str]:
    """Dotted names that a source imports, `from a import b` as `a.b`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # Relative imports are banned by the first test below, so a name is always whole.
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def reaches_inside(module: str, text: str) -> list[str]:
    """Imports of another module's inside."""
    if module in ASSEMBLY:
        return []
    # Reports read tables of all modules; nothing else does.
    closed = INSIDE - {"models"} if module == "insight" else INSIDE
    found = []
    for name in imported(text):
        parts = name.split(".")
        if len(parts) > 2 and parts[0] == "shanmen" and parts[1] != module and parts[2] in closed:
            found.append(name)
    return found


def relative_imports(text: str) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.level
    ]


def complaints(
    check: Callable[[Path], object], paths: Iterable[Path] = SOURCES
) -> dict[str, object]:
    """What a check finds, by file."""
    return {short(path): found for path in paths if (found := check(path))}


def test_imports_are_absolute():
    assert complaints(lambda path: relative_imports(path.read_text(encoding="utf-8"))) == {}


def test_no_import_of_another_modules_inside():
    def check(path: Path) -> list[str]:
        return reaches_inside(module_of(path), path.read_text(encoding="utf-8"))

    assert complaints(check) == {}


def test_package_file_is_a_docstring_alone():
    def check(path: Path) -> bool:
        parts = path.relative_to(PACKAGE.parent).parent.parts
        own = FILES | MORE.get(parts[1], set()) if len(parts) > 1 else set()
        split = ".".join(parts) if len(parts) == 3 and parts[2] in own else ""
        return more_than_a_docstring(path.read_text(encoding="utf-8"), split=split)

    assert complaints(check, [path for path in SOURCES if path.stem == "__init__"]) == {}


def test_files_have_their_place():
    inside = [path.relative_to(PACKAGE).parts for path in files() if PACKAGE in path.parents]
    wrong = {"/".join(parts): why for parts in inside if (why := misplaced(parts))}
    assert wrong == {}


def test_every_package_has_its_docstring_file():
    folders = {path.parent for path in SOURCES}
    missing = [
        short(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()
    ]
    assert missing == []


def exists(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_everything_of_the_gate_is_under_contract():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {each["id"]: each for each in project["tool"]["importlinter"]["contracts"]}
    listed = set(contracts["gate"]["source_modules"])
    assert {name for name in GATE if exists(name)} == listed


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def test_gate_loads_without_the_server():
    present = [name for name in GATE if exists(name)]
    kit = [dotted(path) for path in SOURCES if module_of(path) in {"kit", "edge"}]
    program = (
        "import importlib, sys\n"
        f"for name in {[*present, *kit]!r}: importlib.import_module(name)\n"
        f"print([name for name in {SERVER_ONLY!r} if name in sys.modules])\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert loaded.stdout.strip() == "[]"


def test_wrong_layouts_are_found():
    assert misplaced(("orders", "helpers.py")) == "helpers is not one of the files of a module"
    assert misplaced(("orders", "templates", "order.html")) is not None
    assert misplaced(("orders", "templates", "orders", "order.html")) is None
    assert misplaced(("orders", "service", "place.py")) is None
    assert misplaced(("orders", "protocol.py")) is not None
    assert misplaced(("admission", "protocol.py")) is None
    assert misplaced(("kit", "coalesce.py")) is None
    assert misplaced(("wiring.py",)) is None


def test_more_than_a_docstring_is_found():
    assert not more_than_a_docstring('"""What it owns."""\n')
    assert more_than_a_docstring("")
    assert more_than_a_docstring('"""What it owns."""\nfrom shanmen.orders import rules\n')
    assert more_than_a_docstring("x = 1\n")
    gathering = '"""Use cases."""\nfrom shanmen.orders.service.place import place\n'
    assert more_than_a_docstring(gathering)
    assert not more_than_a_docstring(gathering, split="shanmen.orders.service")
    assert more_than_a_docstring(gathering, split="shanmen.tickets.service")


def test_reaching_inside_is_found():
    other = "from shanmen.tickets.models import Ticket\n"
    assert reaches_inside("orders", other) == ["shanmen.tickets.models.Ticket"]
    assert reaches_inside("tickets", other) == []
    assert reaches_inside("insight", other) == []
    assert reaches_inside("wiring", other) == []
    assert reaches_inside("insight", "import shanmen.tickets.jobs\n") == ["shanmen.tickets.jobs"]
    hidden = "def f():\n    from shanmen.tickets import pages\n"
    assert reaches_inside("orders", hidden) == ["shanmen.tickets.pages"]
    assert reaches_inside("orders", "from shanmen.tickets import queries\n") == []


def test_relative_imports_are_found():
    assert relative_imports("from . import rules\n") == [1]
    assert relative_imports("from shanmen.orders import rules\n") == []
