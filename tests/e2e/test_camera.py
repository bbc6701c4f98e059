"""A guard's phone reads e-tickets with its camera."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import Screens
from tests.e2e.shopping import buy
from tests.support.browser import chromium
from tests.support.park import Park
from tests.support.server import Server

pytestmark = pytest.mark.e2e

WIDTH, HEIGHT = 640, 480
FRAMES_PER_SECOND = 2
SHOWN_SECONDS = 4
AWAY_SECONDS = 6
"""Longer than a code must be out of sight to be a new scan."""
GREY = 128
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


async def photographed(page: Page) -> Image.Image:
    """The code of an e-ticket, as its holder's phone shows it."""
    picture = await page.locator(".eticket-code svg[role=img]").screenshot()
    return Image.open(BytesIO(picture)).convert("L")


def film(code: Image.Image) -> bytes:
    """A video in YUV4MPEG2 that shows a code, takes it away, and starts anew for ever."""
    colours = bytes([GREY]) * (WIDTH * HEIGHT // 2)
    away = Image.new("L", (WIDTH, HEIGHT), GREY)
    shown = away.copy()
    side = HEIGHT * 5 // 6
    shown.paste(code.resize((side, side)), ((WIDTH - side) // 2, (HEIGHT - side) // 2))
    head = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_PER_SECOND}:1 Ip A1:1 C420jpeg\n".encode()
    return head + b"".join(
        (b"FRAME\n" + picture.tobytes() + colours) * (seconds * FRAMES_PER_SECOND)
        for picture, seconds in ((shown, SHOWN_SECONDS), (away, AWAY_SECONDS))
    )


@pytest.fixture(scope="module")
async def movie(
    browser: Browser, server: Server, open_park: Park, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A video of the code of a family's ticket, which nobody has used yet."""
    screens = Screens(browser, server.url, open_park.code)
    phone = await screens.open(width=360, device_scale_factor=2)
    page = await phone.new_page()
    await buy(page, open_park, family=1)
    path = tmp_path_factory.mktemp("camera") / "ticket.y4m"
    path.write_bytes(film(await photographed(page)))
    await phone.close()
    return path


@pytest.fixture
async def page(screens: Screens, open_park: Park, guard: str, movie: Path) -> AsyncIterator[Page]:
    """The scanner page on a guard's phone, before whose camera the video runs."""
    async with chromium(*CAMERA, f"--use-file-for-fake-video-capture={movie}") as browser:
        phone = await replace(screens, browser=browser).open(width=360)
        page = await phone.new_page()
        await screens.sign_in(page, guard)
        await page.goto("/gate")
        await page.locator(f"a.gate-lane[href$='{open_park.lane_id}']").click()
        await expect(page.locator(".gate-live")).to_be_visible()
        yield page
        await phone.close()


async def test_a_code_counts_once_while_it_is_shown_and_is_refused_when_it_comes_again(
    page: Page,
) -> None:
    verdict = page.locator("#verdict")
    entered = page.locator("[data-count=entered]")
    before = int(await entered.inner_text())
    await page.click("#camera-button")
    await expect(verdict).to_have_class("verdict verdict-admit")
    await expect(verdict.locator("[data-part=number]")).to_have_text("3")
    await expect(verdict.locator("[data-part=type]")).to_have_text("family票 · 家庭")
    await expect(verdict.locator("[data-part=names]")).to_contain_text("测**　测**　测**")
    await expect(verdict).to_have_class("verdict verdict-refuse")
    await expect(verdict.locator("[data-part=sentence]")).to_contain_text("3人均已入园")
    await expect(verdict.locator("[data-part=tell]")).to_contain_text("此票所含人数已全部入园")
    await expect(entered).to_have_text(str(before + 3))
    overflow = "document.scrollingElement.scrollWidth - window.innerWidth"
    assert await page.evaluate(overflow) <= 0


async def test_a_camera_that_fails_says_why_and_starts_again(page: Page) -> None:
    camera = page.locator("#camera")
    button = page.locator("#camera-button")
    await page.route("**/*.wasm", lambda route: route.abort())
    await button.click()
    sentence = page.locator("#verdict [data-part=sentence]")
    await expect(sentence).to_have_text("识码组件没有加载成功，请检查网络后重试。")
    await expect(camera).to_be_hidden()

    await page.unroute("**/*.wasm")
    await button.click()
    await expect(page.locator("#verdict")).to_have_class(re.compile("verdict-(admit|refuse)"))
    # A phone that is locked takes the camera away from the page.
    await camera.evaluate(
        "(video) => video.srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))"
    )
    await expect(camera).to_be_hidden()
    await expect(button).to_have_text("摄像头")
    await button.click()
    await expect(camera).to_be_visible()
