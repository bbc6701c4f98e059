"""What a template asks of the kit exists: found by reading it, before anybody opens the page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes
from jinja2.runtime import Macro

from shanmen.web.assets import STATIC_ROOT
from shanmen.web.environment import template_roots
from shanmen.web.icons import ICONS
from shanmen.web.plugin import WebConfig
from shanmen.web.render import Web

TEMPLATES = {
    path.relative_to(root).as_posix(): path
    for root in template_roots()
    for path in sorted(root.rglob("*.html"))
}
INLINE = re.compile(r"""<script(?![^>]*\ssrc=)|<style\b|\sstyle=["']|\son[a-z]+=["']""")
POST_FORM = re.compile(r"<form\b[^>]*method=[\"']post[\"'].*?</form>", re.IGNORECASE | re.DOTALL)


@pytest.fixture(scope="module")
def environment() -> Environment:
    return Web(WebConfig(secret=b"t" * 32)).environments["en"]


def imported_macros(environment: Environment, tree: nodes.Template) -> dict[str, object]:
    """Return the kit's macro files by the name a template gives them."""
    return {
        node.target: environment.get_template(node.template.value).module
        for node in tree.find_all(nodes.Import)
        if isinstance(node.template, nodes.Const) and node.template.value.startswith("macros/")
    }


def wrong_calls(environment: Environment, tree: nodes.Template) -> Iterator[str]:
    macros = imported_macros(environment, tree)
    for call in tree.find_all(nodes.Call):
        callee = call.node
        if isinstance(callee, nodes.Name) and callee.name in {"icon", "static"}:
            if call.args and isinstance(call.args[0], nodes.Const):
                yield from wrong_name(callee.name, call.args[0].value)
            continue
        if not (isinstance(callee, nodes.Getattr) and isinstance(callee.node, nodes.Name)):
            continue
        if callee.node.name not in macros:
            continue
        where = f"line {call.lineno}: {callee.node.name}.{callee.attr}"
        macro = getattr(macros[callee.node.name], callee.attr, None)
        if not isinstance(macro, Macro):
            yield f"{where} does not exist"
            continue
        given = [keyword.key for keyword in call.kwargs]
        yield from (f"{where} has no argument {key}" for key in set(given) - set(macro.arguments))
        if len(call.args) + len(given) > len(macro.arguments):
            yield f"{where} takes {len(macro.arguments)} arguments"
        for keyword in call.kwargs:
            if keyword.key == "icon_name" and isinstance(keyword.value, nodes.Const):
                yield from wrong_name("icon", keyword.value.value)


def wrong_name(kind: str, name: object) -> Iterator[str]:
    if kind == "icon" and name is not None and name not in ICONS:
        yield f"no icon {name!r}"
    fetched = str(name).startswith("vendor/")
    if kind == "static" and not fetched and not (STATIC_ROOT / str(name)).is_file():
        yield f"no static file {name!r}"


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_asks_for_what_exists(environment: Environment, name: str):
    tree = environment.parse(TEMPLATES[name].read_text(encoding="utf-8"), name)
    environment.get_template(name)
    assert not list(wrong_calls(environment, tree))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_nothing_that_the_policy_blocks(name: str):
    source = TEMPLATES[name].read_text(encoding="utf-8")
    assert not INLINE.findall(source)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_form_that_changes_something_carries_its_token(name: str):
    for form in POST_FORM.findall(TEMPLATES[name].read_text(encoding="utf-8")):
        assert "csrf_field()" in form, form[:120]


@pytest.mark.parametrize("path", sorted(STATIC_ROOT.glob("js/**/*.js")), ids=lambda path: path.name)
def test_a_script_needs_no_eval(path: Path):
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"\beval\(|new Function\(|setAttribute\([\"']style", source)
