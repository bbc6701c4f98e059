"""Files and functions stay small enough to be read in one sitting."""

import ast

from tests.tidy.tree import ROOT, named, short

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 70

# A migration is written once, is never split, and is read as a list.
EXEMPT = (ROOT / "migrations",)

CODE = [
    path
    for path in named(".py", ".js", ".css", ".html", ".sh", ".sql")
    if not any(folder in path.parents for folder in EXEMPT)
]


def long_file(text: str) -> str | None:
    lines = text.count("\n")
    return f"{lines} lines" if lines > MOST_LINES_OF_A_FILE else None


def long_functions(text: str) -> list[str]:
    """Functions whose code is too long, without its docstring."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) is not None:
                lines -= (first.end_lineno or first.lineno) - first.lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION:
                found.append(f"{node.name}, line {node.lineno}: {lines} lines")
    return found


def test_files_are_short():
    long = {short(path): long_file(path.read_text(encoding="utf-8")) for path in CODE}
    assert {name: lines for name, lines in long.items() if lines} == {}


def test_functions_are_short():
    sources = [path for path in CODE if path.suffix == ".py"]
    long = {short(path): long_functions(path.read_text(encoding="utf-8")) for path in sources}
    assert {name: functions for name, functions in long.items() if functions} == {}


def test_long_ones_are_found():
    assert long_file("x = 1\n" * 401) == "401 lines"
    assert long_file("x = 1\n" * 400) is None
    body = "    x = 1\n"
    assert long_functions("def f():\n" + body * 70) == ["f, line 1: 71 lines"]
    assert long_functions("def f():\n" + body * 69) == []
    docstring = '    """Say\n' + "    much\n" * 50 + '    """\n'
    assert long_functions("class C:\n  async def f():\n" + docstring + body * 69) == []
