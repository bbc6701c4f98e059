import re

import pytest
from litestar.testing import TestClient

from shanmen.web.plugin import WebConfig, WebPlugin
from shanmen.web.render import safe_next
from tests.web.kitchen import make_app

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
ASSET = re.compile(r'(?:href|src)="(/static/[^"]+)"')
PAGES = ["/visitor", "/console", "/gate/admit", "/login", "/nothing", "/raise/x"]
# What a slow phone may be asked to load before the pictures.
VISITOR_BYTES = 100_000


def test_a_page_speaks_the_readers_language(client):
    assert 'lang="zh-CN"' in client.get("/visitor").text
    english = client.get("/visitor", params={"lang": "en"})
    assert 'lang="en"' in english.text
    assert "Yunding Mountain" in english.text
    assert english.headers["content-language"] == "en"
    # The choice is remembered.
    assert 'lang="en"' in client.get("/visitor").text


def test_the_language_switch_keeps_the_question(client):
    html = client.get("/visitor", params={"day": "1&2", "lang": "zh-CN"}).text
    assert 'href="/visitor?day=1%262&amp;lang=en"' in html


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_has_the_security_headers(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "camera=(self)" in headers["permissions-policy"]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_inline_script_or_style(client, path):
    html = client.get(path).text
    assert not re.search(r"<script(?![^>]*\ssrc=)", html)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", html)


def test_a_page_can_widen_its_policy(client):
    policy = client.get("/gate/admit").headers["content-security-policy"]
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy


def test_htmx_gets_the_part_it_asks_for(client):
    whole = client.get("/console")
    part = client.get("/console", headers={"hx-request": "true"})
    boosted = client.get("/console", headers={"hx-request": "true", "hx-boosted": "true"})
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert "2610019KX2M4Q7P" in part.text
    assert "<html" in boosted.text
    assert "HX-Request" in whole.headers["vary"]


def test_navigation_marks_where_you_are(client):
    html = client.get("/console").text
    assert re.search(r'href="/console" aria-current="page"', html)
    assert html.count('aria-current="page"') == 3  # The two lists of the navigation, and a tab.


def test_htmx_is_loaded_only_where_a_page_asks_for_it(client):
    assert "htmx.min.js" in client.get("/console").text
    assert "htmx" not in client.get("/visitor").text


def test_a_visitors_page_is_light(client):
    html = client.get("/visitor")
    weight = len(html.content)
    for url in set(ASSET.findall(html.text)):
        weight += len(client.get(url, headers={"accept-encoding": "identity"}).content)
    assert weight < VISITOR_BYTES


def test_a_form_passes_with_its_token_and_not_without(client):
    html = client.get("/login").text
    token = TOKEN.search(html)[1]
    body = {"visitors-0-name": "王小明", "visitors-0-document": "1", "day": "2026-10-01"}
    assert client.post("/form", data=body).status_code == 403
    assert client.post("/form", data={**body, "csrf_token": token[:-4] + "AAAA"}).status_code == 403
    sent = client.post("/form", data={**body, "csrf_token": token}, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login")
    by_header = client.post("/form", data=body, headers={"x-csrf-token": token})
    assert by_header.status_code == 200


def test_another_site_is_refused_even_with_a_token(client):
    token = TOKEN.search(client.get("/login").text)[1]
    for site in ("cross-site", "same-site"):
        answer = client.post("/form", data={"csrf_token": token}, headers={"sec-fetch-site": site})
        assert answer.status_code == 403


def test_a_token_belongs_to_its_cookie(client):
    token = TOKEN.search(client.get("/login").text)[1]
    client.cookies.clear()
    assert client.post("/form", data={"csrf_token": token}).status_code == 403


def test_the_api_needs_no_token(client):
    body = {"visitors": [{"name": "王小明", "document": "1"}], "day": "2026-10-01"}
    assert client.post("/api/order", json=body).status_code == 201


def test_a_bad_form_comes_back_with_its_values_and_its_errors(client):
    token = TOKEN.search(client.get("/login", params={"lang": "en"}).text)[1]
    answer = client.post("/form", data={"csrf_token": token, "login": "<wang>"})
    assert answer.status_code == 422
    assert 'value="&lt;wang&gt;"' in answer.text
    assert 'href="#f-visitors"' in answer.text
    assert "Please fill this in" in answer.text


def test_a_sentence_survives_a_redirect_once(client):
    token = TOKEN.search(client.get("/login", params={"lang": "en"}).text)[1]
    body = {"visitors-0-name": "王小明", "visitors-0-document": "1", "day": "2026-10-01"}
    after = client.post("/form", data={**body, "csrf_token": token})
    assert "Saved" in after.text
    assert "Saved" not in client.get("/login").text


def test_a_forged_sentence_is_not_shown(client):
    client.cookies.set("flash", "WyJnb29kIiwid2ViLnNhdmVkIix7fV0")
    assert client.get("/login").status_code == 200


def test_htmx_follows_by_header(client):
    token = TOKEN.search(client.get("/login").text)[1]
    body = {"visitors-0-name": "王小明", "visitors-0-document": "1", "day": "2026-10-01"}
    answer = client.post("/form", data=body, headers={"hx-request": "true", "x-csrf-token": token})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, "/login")


def test_cookies_are_kept_from_scripts_and_from_plain_http():
    with TestClient(make_app(secure=True)) as client:
        cookie = client.get("/login").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    assert "SameSite=lax" in cookie


def test_a_weak_secret_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        WebPlugin(WebConfig(secret=b"short"))


def test_a_secret_is_not_printed():
    assert "kkk" not in repr(WebConfig(secret=b"k" * 32))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/console/orders?page=2", "/console/orders?page=2"),
        (None, "/"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_a_reader_is_sent_back_only_to_this_site(url, expected):
    assert safe_next(url, "/") == expected
