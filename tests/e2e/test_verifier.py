"""The verifier in JavaScript agrees with every test vector, in a real browser."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route

from shanmen.kit import base45
from shanmen.tickets import rotating
from tests.support.browser import chromium

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "docs" / "verifier" / "ticket-verifier.js"
VECTORS: dict[str, Any] = json.loads((ROOT / "tests" / "tickets" / "vectors.json").read_text())
KEYS = {str(key["key_id"]): key["public"] for key in VECTORS["keys"]}
ROTATING = VECTORS["rotating"]


@pytest.fixture(scope="module")
async def own_browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


async def loaded(browser: Browser, host: str) -> Page:
    """A page that has the module as `v`; every file comes from here, none from a network."""

    async def serve(route: Route) -> None:
        if route.request.url.endswith(".js"):
            await route.fulfill(body=MODULE.read_text(), content_type="text/javascript")
        else:
            await route.fulfill(body="<!doctype html>", content_type="text/html")

    page = await browser.new_page()
    await page.route("**/*", serve)
    await page.goto(f"http://{host}/")
    await page.evaluate("async () => { globalThis.v = await import('/ticket-verifier.js'); }")
    return page


@pytest.fixture
async def page(own_browser: Browser) -> AsyncIterator[Page]:
    made = await loaded(own_browser, "localhost")
    yield made
    await made.close()


VERIFY = """async ([text, keys]) => {
  try { return await v.verify(text, keys); }
  catch (error) { return `${error.name} ${error.code ?? error.message}`; }
}"""


def camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


async def test_every_ticket_is_read(page: Page):
    for one in VECTORS["tokens"]:
        said = await page.evaluate(VERIFY, [one["token"], KEYS])
        body = one["body"]
        assert isinstance(said, dict), (one["name"], said)
        camel = {camel_case(key): value for key, value in body.items()}
        for key in ("validFrom", "validUntil"):
            assert said[key] == datetime.fromisoformat(camel.pop(key)), one["name"]
        assert {key: said[key] for key in camel} == camel, one["name"]


async def test_every_wrong_text_is_refused_with_its_code(page: Page):
    for one in VECTORS["refused"]:
        said = await page.evaluate(VERIFY, [one["text"], KEYS])
        assert said == f"TicketError {one['code']}", one["name"]


async def test_codes_that_change(page: Page):
    key = await page.evaluate(
        """async (r) => v.toHex(await v.ticketKey(
           r.day_key, {ticketId: r.ticket_id, generation: r.generation}))""",
        ROTATING,
    )
    assert key == ROTATING["ticket_key"]
    assert await page.evaluate("(r) => v.stepAt(new Date(r.now))", ROTATING) == ROTATING["step"]
    judge = """async ([r, tail]) => v.check(tail, {
      ticketId: r.ticket_id, generation: r.generation, now: new Date(r.now), timezone: r.timezone,
      dayKeyOf: (day) => (day === r.day ? r.day_key : null),
    })"""
    for one in ROTATING["checks"]:
        said = await page.evaluate(judge, [ROTATING, one["tail"]])
        assert said == {"outcome": one["outcome"], "seconds": one["seconds"]}, one["name"]
    assert (await page.evaluate(judge, [ROTATING, None]))["outcome"] == "missing"


async def test_codes_around_midnight_and_without_a_key(page: Page):
    """Against our own implementation, where the vectors have no example."""
    zone = ROTATING["timezone"]
    step = rotating.step_at(datetime(2026, 5, 1, 16, 0, tzinfo=UTC))
    days = [await page.evaluate("([s, z]) => v.dayOf(s, z)", [s, zone]) for s in (step - 1, step)]
    assert days == [rotating.day_of(s, zone).isoformat() for s in (step - 1, step)]
    key = bytes.fromhex(ROTATING["ticket_key"])
    for some in (step - 1, step, step + 12345):
        made = await page.evaluate("([k, s]) => v.tailOf(k, s)", [key.hex(), some])
        assert made == rotating.tail(key, some)
    said = await page.evaluate(
        """async ([r, tail]) => v.check(tail, {ticketId: r.ticket_id, generation: r.generation,
           now: new Date(r.now), timezone: r.timezone, dayKeyOf: () => null})""",
        [ROTATING, ROTATING["checks"][0]["tail"]],
    )
    assert said["outcome"] == "no_key"


async def test_what_a_scanner_does_to_a_text(page: Page):
    text = VECTORS["tokens"][1]["token"]
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    typed = text.replace(".", "。").replace("/", "、").replace("$", "￥")
    for one in (text.lower(), f" {text}\r\n", wide, typed, text + "123456789"):
        said = await page.evaluate(VERIFY, [one, KEYS])
        assert isinstance(said, dict), (one, said)


async def test_base_45(page: Page):
    for size in range(12):
        data = bytes((size * 37 + at * 101) % 256 for at in range(size))
        text = await page.evaluate("(hex) => v.encode45(v.fromHex(hex))", data.hex())
        assert text == base45.encode(data)
        assert await page.evaluate("(text) => v.toHex(v.decode45(text))", text) == data.hex()


async def test_a_browser_that_cannot_says_so(own_browser: Browser, page: Page):
    insecure = await loaded(own_browser, "verifier.example")
    said = await insecure.evaluate(VERIFY, [VECTORS["tokens"][0]["token"], KEYS])
    assert said.startswith("Unsupported WebCrypto is missing: the page must come by https")
    await insecure.close()
    await page.evaluate(
        """() => { crypto.subtle.importKey = () =>
           Promise.reject(new DOMException("x", "NotSupportedError")); }"""
    )
    said = await page.evaluate(VERIFY, [VECTORS["tokens"][0]["token"], KEYS])
    assert said.startswith("Unsupported This browser has no Ed25519")
