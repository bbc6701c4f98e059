import logging

from litestar.testing import TestClient

from tests.web.kitchen import make_app

JSON = {"accept": "application/json"}


def test_a_person_gets_a_page_with_a_next_step(client):
    answer = client.get("/nothing", params={"lang": "en"})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "We could not find this page" in answer.text
    assert "start again from the home page" in answer.text


def test_a_program_gets_a_problem(client):
    answer = client.get("/raise/domain", headers=JSON)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "kit.bad_input"
    assert problem["type"] == "urn:shanmen:error:kit.bad_input"
    assert problem["status"] == 422
    assert problem["field"] == "visitors.0.name"
    assert problem["title"]
    assert problem["detail"]


def test_the_api_answers_problems_also_to_a_browser(client):
    assert client.get("/api/nothing").headers["content-type"] == "application/problem+json"


def test_bad_input_of_the_api_names_its_fields(client):
    order = {"visitors": [{"name": "王", "document": "1"}], "day": "2026-10-01"}
    problem = client.post("/api/order?lang=en", json=order).json()
    assert problem["status"] == 422
    assert problem["code"] == "web.invalid_form"
    assert problem["field"] == "visitors.0.name"
    assert problem["errors"] == [
        {
            "field": "visitors.0.name",
            "reason": "too_short",
            "detail": "At least 2 characters are needed",
        }
    ]


def test_a_missing_member_of_the_api_is_named(client):
    problem = client.post("/api/order", json={"visitors": []}).json()
    assert (problem["field"], problem["errors"][0]["reason"]) == ("day", "required")


def test_a_bad_parameter_of_the_api_is_named(client):
    problem = client.get("/api/query", params={"count": "x"}).json()
    assert (problem["field"], problem["errors"][0]["reason"]) == ("count", "not_integer")
    assert client.get("/api/query").json()["field"] == "count"


def test_a_body_that_is_not_json_is_a_bad_request(client):
    answer = client.post("/api/order", content="{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "web.not_json")


def test_overload_says_when_to_come_back(client):
    for headers in (JSON, {}):
        answer = client.get("/raise/overloaded", headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


def test_who_must_sign_in_is_sent_there_only_where_there_is_a_door(client):
    assert client.get("/raise/anonymous", follow_redirects=False).status_code == 401


def test_an_unexpected_error_tells_a_reference_and_no_secret(client, caplog):
    with caplog.at_level(logging.ERROR, "shanmen.web"):
        problem = client.get("/raise/x", headers=JSON).json()
    assert problem["status"] == 500
    assert problem["code"] == "web.unexpected"
    assert problem["reference"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "kitchen.py" in caplog.text
    # The error's own words held a phone number.
    assert "13800138000" not in caplog.text
    assert "13800138000" not in client.get("/raise/x").text


def test_a_wrong_method_says_what_is_allowed(client):
    answer = client.post("/login", headers=JSON)
    assert answer.status_code == 405
    assert answer.json()["code"] == "web.method_not_allowed"


def test_htmx_gets_a_notice_for_the_place_of_notices():
    with TestClient(make_app()) as client:
        answer = client.get("/raise/domain", headers={"hx-request": "true"})
    assert answer.headers["hx-retarget"] == "#flash"
    assert "<html" not in answer.text
    assert 'role="alert"' in answer.text
