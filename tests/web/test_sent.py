"""What is wrong with a body of the API is told field by field, all of it, in the reader's words."""

from enum import Enum
from typing import Annotated, Literal
from uuid import UUID

import pytest
from litestar import post
from litestar.params import FromQuery, JSONBody
from litestar.testing import TestClient
from msgspec import Meta, Struct

from tests.web.kitchen import make_app

ID = "0198c3a1-7d5e-7c41-8d3b-5f0e9a6b2c10"


class Kind(Enum):
    """A choice."""

    CARD = "card"
    PASS = "pass"


class Person(Struct, forbid_unknown_fields=True):
    """Part of a list."""

    name: Annotated[str, Meta(max_length=5)]
    kind: Kind = Kind.CARD


class Wish(Struct, forbid_unknown_fields=True):
    """A body with a field of every sort."""

    id: UUID
    people: Annotated[list[Person], Meta(min_length=1, max_length=2)]
    words: dict[str, str] = {}
    way: Literal["in", "out"] = "in"
    count: int | None = None
    open: bool = True


@post("/api/wish")
async def wish(data: JSONBody[Wish], number: FromQuery[int] = 1) -> int:
    return len(data.people) * number


@pytest.fixture(scope="module")
def api():
    app = make_app()
    app.register(wish)
    with TestClient(app) as client:
        yield client


GOOD = {"id": ID, "people": [{"name": "王"}]}


def named(client, body):
    problem = client.post("/api/wish", json=body).json()
    assert problem["code"] == "web.invalid_form"
    assert problem["status"] == 422
    assert problem.get("field", "") == problem["errors"][0]["field"]
    return {one["field"]: one["reason"] for one in problem["errors"]}


def test_a_good_body_is_taken(api):
    assert api.post("/api/wish", json=GOOD).json() == 1


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"id": "x"}, "id", "not_id"),
        ({"id": None}, "id", "required"),
        ({"people": []}, "people", "too_few"),
        ({"people": [{"name": "a"}] * 3}, "people", "too_many"),
        ({"people": {}}, "people", "not_list"),
        ({"people": ["x"]}, "people.0", "not_object"),
        ({"people": [{"name": 5}]}, "people.0.name", "not_text"),
        ({"people": [{"name": "abcdef"}]}, "people.0.name", "too_long"),
        ({"people": [{"name": "a", "kind": "x"}]}, "people.0.kind", "not_choice"),
        ({"people": [{"name": "a", "nane": "x"}]}, "people.0.nane", "unknown"),
        ({"people": [{}]}, "people.0.name", "required"),
        ({"words": {"zh-CN": 5}}, "words.zh-CN", "not_text"),
        ({"words": []}, "words", "not_object"),
        ({"way": "up"}, "way", "not_choice"),
        ({"count": "many"}, "count", "not_integer"),
        ({"open": "perhaps"}, "open", "not_boolean"),
        ({"more": 1}, "more", "unknown"),
    ],
)
def test_each_mistake_is_named(api, change, field, reason):
    assert named(api, GOOD | change) == {field: reason}


def test_all_mistakes_are_named_at_once(api):
    body = {"people": [{"name": "王"}, {"name": 5, "kind": "x"}], "way": "up", "more": 1}
    assert named(api, body) == {
        "id": "required",
        "people.1.name": "not_text",
        "people.1.kind": "not_choice",
        "way": "not_choice",
        "more": "unknown",
    }
    both = api.post("/api/wish", params={"number": "x"}, json={"id": "x", "people": [{"name": ""}]})
    assert [one["field"] for one in both.json()["errors"]] == ["id", "number"]


def test_mistakes_are_said_in_the_readers_language(api):
    body = GOOD | {"way": "up"}
    for language, sentence in (
        ("en", "This must be one of: in, out"),
        ("zh-CN", "只能是以下之一：in, out"),
    ):
        answer = api.post("/api/wish", json=body, headers={"accept-language": language})
        assert answer.json()["errors"][0]["detail"] == sentence


def test_another_kind_of_value_is_no_body(api):
    assert named(api, []) == {"": "not_object"}
    headers = {"content-type": "application/json"}
    assert api.post("/api/wish", content=b"null", headers=headers).json()["errors"] == [
        {"field": "", "reason": "required", "detail": "缺少此字段"}
    ]


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        (b'{"id" 5}', "not_json_at", "The text stops being JSON at byte 6"),
        (b'{"id": ', "not_json_ends", "The text breaks off before its JSON is complete"),
        (b'{"id": "\xff"}', "not_utf8", "The text is not in UTF-8"),
    ],
)
def test_what_is_not_json_says_where(api, content, reason, detail):
    headers = {"content-type": "application/json", "accept-language": "en"}
    answer = api.post("/api/wish", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "web.not_json")
    assert answer.json()["errors"] == [{"field": "", "reason": reason, "detail": detail}]


def test_a_missing_body_is_asked_for(api):
    problem = api.post("/api/wish", headers={"content-type": "application/json"}).json()
    assert [one["reason"] for one in problem["errors"]] == ["body_missing"]
