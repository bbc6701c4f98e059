"""Write docs/reference from the code: settings, commands, error codes and events.

`make reference` runs it; a test fails when a page differs from what it would write. With --check it
writes nothing and ends with status 1 when a page differs.
"""

import argparse
import importlib
import inspect
import itertools
import pkgutil
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType

import click

import shanmen
from shanmen.kit import settings
from shanmen.kit.errors import DomainError, all_errors

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
LOCALES = ("zh-CN", "en")
WRITTEN = "<!-- Written by `make reference` from the code; edit the code instead. -->"


def import_everything() -> list[str]:
    """Import each module of the product, so that every declaration has been seen."""
    names = [
        module.name
        for module in pkgutil.walk_packages(shanmen.__path__, "shanmen.")
        if not module.name.endswith(".__main__")
    ]
    for name in names:
        importlib.import_module(name)
    return names


def page(title: str, introduction: str, *body: str) -> str:
    """One page: title, the note on where it comes from, what it is about, and the rest."""
    return "\n\n".join([f"# {title}", WRITTEN, introduction, *body]) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; line breaks and bars in a cell cannot break it."""

    def line(cells: Iterable[str]) -> str:
        safe = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
        return "| " + " | ".join(safe) + " |"

    columns = list(head)
    return "\n".join([line(columns), line("---" for _ in columns), *(line(row) for row in rows)])


def code(text: str) -> str:
    """Text as code, or a dash where there is none."""
    return f"`{text}`" if text else "–"


def settings_page() -> str:
    """Every setting with its type, default and meaning."""
    rows = [
        (code(each.name), code(each.env), each.type, code(each.default), each.doc)
        for each in settings.describe()
    ]
    return page(
        "Settings",
        "Defaults, then the file `shanmen.toml` (or the one that `SHANMEN_CONFIG` names), then "
        "environment variables: the later wins. A value that cannot be meant and a name that does "
        "not exist stop the start with a sentence about each.",
        table(("Setting", "Variable", "Type", "Default", "Meaning"), rows),
    )


def commands_page(root: click.Command) -> str:
    """Every command with its arguments and options."""
    return page(
        "Commands",
        "`shanmen --help` shows the same on the terminal.",
        *describe_command(root, "shanmen"),
    )


def describe_command(command: click.Command, name: str) -> Iterable[str]:
    """Sections of a command and of those below it."""
    context = click.Context(command, info_name=name)
    yield f"## `{name}`"
    yield inspect.cleandoc(command.help or command.short_help or "").replace("\b\n", "")
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```"
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            rows.append((code(record[0]), record[1]))
    if rows:
        yield table(("Option", "Meaning"), rows)
    if isinstance(command, click.Group):
        # Asked for by name: some commands are loaded only then.
        for child in sorted(command.list_commands(context)):
            below = command.get_command(context, child)
            if below is not None and not below.hidden:
                yield from describe_command(below, f"{name} {child}")


def errors_page() -> str:
    """Every error code with its status and what people read, by module."""
    sections = []
    errors = {name: error for name, error in all_errors().items() if is_ours(error)}
    for module, group in itertools.groupby(errors.items(), lambda item: item[0].split(".")[0]):
        texts = {locale: locale_of(module, locale) for locale in LOCALES}
        rows = [
            (code(name), str(error.status), *(sentence(texts[locale], name) for locale in LOCALES))
            for name, error in group
        ]
        head = ("Code", "Status", "zh-CN", "en")
        sections += [f"## {module}", table(head, rows)]
    return page(
        "Errors",
        "The API answers `application/problem+json` with one of these codes; pages and gates show "
        "the sentences. Words in braces are filled in, and are in `params` of the answer.",
        *sections,
    )


def is_ours(error: type[DomainError]) -> bool:
    """Whether the error is the product's own: tests declare some too."""
    return error.__module__.split(".")[0] == "shanmen"


def sentence(texts: Mapping[str, str], name: str) -> str:
    """What the reader is told, and what to do next where there is something to do."""
    key = "error." + name.split(".", 1)[1]
    return " ".join(filter(None, (texts.get(key, "–"), texts.get(f"{key}_next"))))


def locale_of(module: str, locale: str) -> dict[str, str]:
    """Texts of a module, with dotted keys."""
    path = ROOT / "src" / "shanmen" / module / "locale" / f"{locale}.toml"
    if not path.is_file():
        return {}
    return dict(flat(tomllib.loads(path.read_text(encoding="utf-8"))))


def flat(table_: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Nested tables as dotted keys."""
    for key, value in table_.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def events_page() -> str:
    """Who hears which event, and what runs by the clock: the tables of `wiring` in words."""
    wiring = importlib.import_module("shanmen.wiring")
    does = {name: first_line(task, wiring) for name, task in wiring.TASKS.items()}
    does |= {name: first_line(task, wiring) for name, _, task in wiring.SWEEPS}
    heard = [
        (code(event), code(task), does[task])
        for event, tasks in wiring.SUBSCRIBERS.items()
        for task in tasks
    ]
    return page(
        "Events and jobs",
        "An event is a fact that a module tells the others. The jobs that hear it are in the queue "
        "exactly when the change was committed; they carry ids, never personal data, and are safe "
        "to run twice. The tables are in `src/shanmen/wiring.py`.",
        "## Events",
        table(("Event", "Heard by", "What that does"), heard),
        "## Each night",
        table(
            ("Job", "What it does", "Cron, UTC"),
            [(code(name), does[name], code(cron)) for name, cron in wiring.NIGHTLY],
        ),
        "## All the time",
        table(
            ("Sweep", "What it does", "Again after"),
            [(code(name), does[name], f"{seconds:g} s") for name, seconds, _ in wiring.SWEEPS],
        ),
    )


def first_line(task: Callable[..., object], wiring: ModuleType) -> str:
    """What the use case says of itself that a line of `wiring` calls."""
    found: object = wiring
    for name in task.__code__.co_names:
        found = getattr(found, name, None) or getattr(wiring, name, found)
        if inspect.isfunction(found):
            break
    return (inspect.getdoc(found) or "").partition("\n")[0]


def pages() -> dict[str, str]:
    """Every page of the reference, by file name."""
    names = import_everything()
    written = {
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "events.md": events_page(),
    }
    if "shanmen.cli" in names:
        root = importlib.import_module("shanmen.cli").main
        written["commands.md"] = commands_page(root)
    return written


def differing(wanted: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """Pages that are not as the code would have them, and pages that nothing writes."""
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))


def main() -> None:
    """Write the pages, or only compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; tell what differs")
    if parser.parse_args().check:
        names = differing(pages())
        for name in names:
            print(f"docs/reference/{name} differs from the code: run 'make reference'")
        sys.exit(1 if names else 0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
