"""What a template says with constants alone is worked out once, and says the same."""

import pytest
from jinja2 import Environment

from shanmen.web.assets import Assets
from shanmen.web.environment import WebConfig, environment_of
from shanmen.web.i18n import MissingTextError, t
from shanmen.web.icons import icon

CONFIG = WebConfig(secret=b"x" * 32)


@pytest.fixture
def environment() -> Environment:
    return environment_of("zh-CN", Assets(), CONFIG)


def test_texts_icons_and_addresses_are_written_into_the_template(environment: Environment):
    source = '{{ t("web.close") }}{{ icon("clock", 18) }}{{ static("css/base.css") }}'
    compiled = environment.compile(source, raw=True)
    assert t("zh-CN", "web.close") in compiled
    assert "context.call" not in compiled
    shown = environment.from_string(source).render()
    assert shown == t("zh-CN", "web.close") + icon("clock", 18) + Assets().url("css/base.css")


def test_what_is_written_in_is_escaped_like_what_is_not(environment: Environment):
    environment.folded = {"t": lambda key: f"<{key}>"}  # type: ignore[attr-defined]
    shown = environment.from_string('{{ t("b") }}<i title="{{ t("c") }}">').render()
    assert shown == '&lt;b&gt;<i title="&lt;c&gt;">'


def test_values_that_come_with_the_page_stay_calls(environment: Environment):
    source = '{{ t("web.page_of", page=page, pages=3) }}{{ t("web." ~ key) }}'
    shown = environment.from_string(source).render(page=2, key="close")
    assert shown == t("zh-CN", "web.page_of", page=2, pages=3) + t("zh-CN", "web.close")


def test_a_name_that_a_template_uses_for_something_else_is_its_own(environment: Environment):
    source = '{% set icon = shout %}{{ icon("clock") }}{{ t("web.close") }}'
    shown = environment.from_string(source).render(shout=str.upper)
    assert shown == "CLOCK" + t("zh-CN", "web.close")
    macro = '{% macro say(t) %}{{ t("web.close") }}{% endmacro %}{{ say(shout) }}'
    assert environment.from_string(macro).render(shout=str.upper) == "WEB.CLOSE"


def test_a_missing_text_is_told_where_it_is_shown(environment: Environment):
    template = environment.from_string('{% if wrong %}{{ t("web.no_such_text") }}{% endif %}')
    assert template.render(wrong=False) == ""
    with pytest.raises(MissingTextError, match=r"web\.no_such_text"):
        template.render(wrong=True)


def test_whoever_develops_sees_an_edited_text_at_once():
    environment = environment_of("zh-CN", Assets(), WebConfig(secret=b"x" * 32, debug=True))
    assert "context.call" in environment.compile('{{ t("web.close") }}', raw=True)


def test_an_imported_macro_is_made_once(environment: Environment):
    source = '{% import "macros/ui.html" as ui %}{{ ui.badge(text) }}'
    first, second = environment.from_string(source), environment.from_string(source)
    assert first.render(text="<1>") == '<span class="badge badge-muted">&lt;1&gt;</span>'
    macros = environment.get_template("macros/ui.html").module
    assert second.render(text="2").endswith(">2</span>")
    assert environment.get_template("macros/ui.html").module is macros
