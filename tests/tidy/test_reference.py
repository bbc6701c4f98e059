"""Every setting, command, error code and event is in the documents, as the code has it."""

import subprocess
import sys

import click

from scripts import reference
from tests.tidy.tree import ROOT


def test_pages_are_as_the_code_has_them():
    # In a process of its own, so that what tests declare is not taken for the product's.
    compared = subprocess.run(
        [sys.executable, "-m", "scripts.reference", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_every_error_has_its_sentence_in_both_languages():
    content = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    silent = [line for line in content.splitlines() if line.startswith("| `") and "| – " in line]
    assert silent == []


def test_differing_pages_are_found(tmp_path):
    (tmp_path / "errors.md").write_text("old\n")
    (tmp_path / "events.md").write_text("same\n")
    (tmp_path / "left.md").write_text("nobody writes this\n")
    wanted = {"commands.md": "missing\n", "errors.md": "new\n", "events.md": "same\n"}
    assert reference.differing(wanted, tmp_path) == ["commands.md", "errors.md", "left.md"]


def test_commands_are_described():
    @click.group()
    def main():
        """Tickets."""

    @main.command()
    @click.option("--port", default=8000, show_default=True, help="Where to listen.")
    @click.argument("name")
    def serve(port, name):
        """Serve | pages."""

    page = reference.commands_page(main)
    assert "## `shanmen serve`" in page
    assert "shanmen serve [OPTIONS] NAME" in page
    assert "Where to listen.  [default: 8000]" not in page  # Spaces are squeezed in a cell.
    assert "| `--port INTEGER` | Where to listen. [default: 8000] |" in page


def test_a_cell_cannot_break_the_table():
    assert reference.table(["A"], [["x | y\nz"]]) == "| A |\n| --- |\n| x \\| y z |"
