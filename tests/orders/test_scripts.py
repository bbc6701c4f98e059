"""The scripts of the order's page make the codes that gates read."""

import base64
import json
from pathlib import Path

import pytest
import zxingcpp

from shanmen.web.assets import STATIC_ROOT
from tests.support.browser import chromium

pytestmark = pytest.mark.e2e

VECTORS = json.loads((Path(__file__).parents[1] / "tickets" / "vectors.json").read_text())
FOLDER = STATIC_ROOT / "js" / "orders"
QUIET = 4
ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def module(source: str) -> str:
    """A script as an address that a page can import it from."""
    return f"data:text/javascript;base64,{base64.b64encode(source.encode()).decode()}"


def picture(modules: list[list[int]], scale: int = 4) -> memoryview:
    """A code's modules as a grey picture with its quiet zone."""
    side = (len(modules) + 2 * QUIET) * scale
    pixels = bytearray(b"\xff" * side * side)
    for y, row in enumerate(modules):
        for x, dark in enumerate(row):
            if dark:
                for line in range(scale):
                    start = ((y + QUIET) * scale + line) * side + (x + QUIET) * scale
                    pixels[start : start + scale] = bytes(scale)
    return memoryview(bytes(pixels)).cast("B", shape=[side, side])


async def test_the_code_drawn_on_the_phone_reads_as_the_ticket() -> None:
    texts = [vector["token"] for vector in VECTORS["tokens"]]
    texts += [texts[0] + check["tail"] for check in VECTORS["rotating"]["checks"]]
    texts = [text for text in texts if set(text) <= set(ALPHANUMERIC)]
    assert len(texts) > 2
    source = module((FOLDER / "qr.js").read_text())
    async with chromium() as browser:
        page = await browser.new_page()
        drawn = await page.evaluate(
            "async ([source, texts]) => { const { modules } = await import(source);"
            " return texts.map(modules); }",
            [source, texts],
        )
    for text, modules in zip(texts, drawn, strict=True):
        assert len(modules) == 45
        [found] = zxingcpp.read_barcodes(picture(modules))
        assert found.text == text


async def test_the_changing_part_is_the_servers() -> None:
    rotating = VECTORS["rotating"]
    drawing = module((FOLDER / "qr.js").read_text())
    timing = module((FOLDER / "clock.js").read_text())
    source = (FOLDER / "rotating.js").read_text()
    source = source.replace('"./qr.js"', f'"{drawing}"').replace('"./clock.js"', f'"{timing}"')
    async with chromium() as browser:
        page = await browser.new_page()
        # Subtle cryptography is for secure places alone, such as a page on this machine.
        await page.route("http://localhost/", lambda route: route.fulfill(body="<!doctype html>"))
        await page.goto("http://localhost/")
        made = await page.evaluate(
            "async ([source, key, step]) => { const { tail } = await import(source);"
            " return tail(Uint8Array.from(key), step); }",
            [module(source), list(bytes.fromhex(rotating["ticket_key"])), rotating["step"]],
        )
    fresh = next(check for check in rotating["checks"] if check["name"] == "of this step")
    assert made == fresh["tail"]


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("11010519491231002X", True),
        ("110105194912310021", False),
        ("11010519491231002", False),
        ("", False),
    ],
)
async def test_the_check_digit_is_judged_at_once(number: str, good: bool) -> None:
    source = module((FOLDER / "visitors.js").read_text())
    async with chromium() as browser:
        page = await browser.new_page()
        judged = await page.evaluate(
            "async ([source, number]) => (await import(source)).plausible(number)",
            [source, number],
        )
    assert judged is good


SHOP = """<html lang="en"><p data-total data-zero="Choose tickets" data-count="Tickets: #"></p>
<form data-visit><input type="radio" name="slot" value="early"><input type="radio" name="slot"
value="late"><div class="quantity" data-outside="early noon"><input id="night" type="number" min="0"
max="5" value="0"><span data-price="100" data-for="night"></span><p data-outside-note hidden>Not
now</p><select><option>by itself</option></select></div></form>"""


async def test_a_ticket_that_does_not_admit_at_the_chosen_time_cannot_be_added() -> None:
    source = module((FOLDER / "visit.js").read_text())
    async with chromium() as browser:
        page = await browser.new_page()
        await page.set_content(SHOP)
        count, select = page.locator("#night"), page.locator("select")
        early, late = page.locator("[value=early]"), page.locator("[value=late]")
        note = page.locator("[data-outside-note]")
        await page.evaluate("source => import(source).then(() => null)", source)
        assert await count.is_enabled()
        await early.check()
        assert await note.is_visible()
        assert await count.is_disabled()
        assert await select.is_disabled()
        await late.check()
        assert not await note.is_visible()
        await count.fill("2")
        # What was chosen before can only be taken away, and nothing is sent until it is.
        await early.check()
        assert await count.is_enabled()
        assert await count.get_attribute("max") == "0"
        assert not await page.evaluate("document.forms[0].checkValidity()")
        await count.fill("0")
        assert await count.is_disabled()
        await late.check()
        assert await count.get_attribute("max") == "5"
        assert await page.evaluate("document.forms[0].checkValidity()")
