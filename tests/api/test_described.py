"""The API's description is complete: nobody has to guess what something means or may answer.

It is read as it is served, so a new route or field is in these tests without anybody adding it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from litestar.testing import RequestFactory

from shanmen.app import ApiDescription, create_app
from shanmen.kit.errors import all_errors
from shanmen.kit.settings import Settings

METHODS = {"get", "post", "put", "patch", "delete"}
CODE = re.compile(r"^- `([a-z_]+\.[a-z_]+)`: (\S.*)$", re.MULTILINE)
CHANGING = METHODS - {"get"}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The description, without a database: it is made of the code alone."""
    data: Path = tmp_path_factory.mktemp("described")
    app = create_app(Settings(data_dir=data, database_url="postgresql://nowhere/nothing"))
    schema = app.openapi_schema.to_schema()
    shown = ApiDescription(path="/x").render(RequestFactory(app).get("/"), schema)
    found: dict[str, Any] = msgspec.json.decode(shown)
    return found


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method in METHODS & item.keys():
            yield f"{method.upper()} {path}", item[method]


def test_every_operation_says_what_it_does(described: dict[str, Any]) -> None:
    tags = {tag["name"]: tag.get("description") for tag in described["tags"]}
    assert all(tags.values())
    wrong = [
        name
        for name, operation in operations(described)
        if " " not in operation.get("summary", "")
        or len(operation.get("tags", ())) != 1
        or operation["tags"][0] not in tags
    ]
    assert wrong == []
    used = {operation["tags"][0] for _, operation in operations(described)}
    assert used == set(tags)


def test_summaries_tell_operations_apart(described: dict[str, Any]) -> None:
    said = [(operation["tags"][0], operation["summary"]) for _, operation in operations(described)]
    assert sorted(said) == sorted(set(said))


def test_every_parameter_is_described(described: dict[str, Any]) -> None:
    wrong = [
        f"{name}: {parameter['name']}"
        for name, operation in operations(described)
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    ]
    assert wrong == []


def test_every_refusal_names_codes_that_exist(described: dict[str, Any]) -> None:
    known = all_errors().keys()
    wrong = []
    for name, operation in operations(described):
        for status, answer in operation["responses"].items():
            if status[0] not in "45":
                continue
            codes = CODE.findall(answer["description"])
            if not codes or not {code for code, _ in codes} <= known:
                wrong.append(f"{name} {status}: {answer['description']}")
            [content] = answer["content"].values()
            [example] = content["examples"].values()
            shown = example["value"]
            true = str(shown["status"]) == status and shown["code"] in dict(codes)
            if not true or not shown["title"]:
                wrong.append(f"{name} {status} shows {shown}")
            if answer["content"].keys() != {"application/problem+json"}:
                wrong.append(f"{name} {status} is no problem")
    assert wrong == []


def test_what_changes_something_takes_a_key(described: dict[str, Any]) -> None:
    wrong = [
        name
        for name, operation in operations(described)
        if name.partition(" ")[0].lower() in CHANGING
        and "Idempotency-Key" not in {one["name"] for one in operation.get("parameters", ())}
    ]
    assert wrong == []


def test_every_type_and_field_is_described(described: dict[str, Any]) -> None:
    wrong = []
    for name, schema in described["components"]["schemas"].items():
        if not schema.get("description"):
            wrong.append(name)
        for field, inner in schema.get("properties", {}).items():
            if not inner.get("description"):
                wrong.append(f"{name}.{field}")
    assert wrong == [], "Say it in a docstring below the field, or in web/field_words.toml."


def test_common_words_are_all_needed(described: dict[str, Any]) -> None:
    """What no field has as its name any more is not kept."""
    from shanmen.web.described import common_words  # noqa: PLC0415 - read once the app is there

    fields = {
        field
        for schema in described["components"]["schemas"].values()
        for field in schema.get("properties", {})
    }
    paths = {
        parameter["name"]
        for _, operation in operations(described)
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    }
    words = common_words()
    assert (words["field"].keys() - fields, words["path"].keys() - paths) == (set(), set())


def test_examples_are_true(described: dict[str, Any]) -> None:
    wrong = []
    for name, schema in described["components"]["schemas"].items():
        for field, inner in schema.get("properties", {}).items():
            whole = {**inner, "components": described["components"]}
            check = jsonschema_rs.validator_for(whole)
            wrong += [
                f"{name}.{field}: {example!r}"
                for example in inner.get("examples", ())
                if not check.is_valid(example)
            ]
    assert wrong == []
