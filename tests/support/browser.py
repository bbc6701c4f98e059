"""The system's Chromium for tests, and what to do where there is none."""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.support.patience import PATIENCE_SECONDS

REQUIRED = "SHANMEN_TEST_REQUIRE_BROWSER"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Root has no sandbox to give, and a closed network should not be knocked at.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str:
    """Where Chromium is; skips the test where it is not, unless it is required."""
    if CHROMIUM is None:
        if os.environ.get(REQUIRED):
            pytest.fail("Browser tests are required here and there is no chromium.")
        pytest.skip("no chromium on this machine: install Debian's package `chromium`")
    return CHROMIUM


@asynccontextmanager
async def chromium(*more: str) -> AsyncIterator[Browser]:
    """A running headless Chromium, with more arguments than all have."""
    path = chromium_path()
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *more])
        try:
            yield browser
        finally:
            await browser.close()


async def axe_findings(page: Page, script: str, *, rules: Sequence[str] = ()) -> list[str]:
    """Serious and critical findings of axe-core on a page, one line each.

    Args:
        page: where to look.
        script: the source of axe-core; run in the page, which its policy does not forbid.
        rules: ids of the only rules to look at; all of them without.
    """
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(script)
    result = await page.evaluate(
        "async (rules) => (await axe.run(document, {resultTypes: ['violations'], "
        "...(rules.length ? {runOnly: rules} : {})})).violations",
        list(rules),
    )
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: {v['nodes'][0]['html'][:120]}"
        for v in result
        if v["impact"] in ("serious", "critical")
    ]
