"""Take the pictures of docs/images from a running demo.

Start a demo that may be thrown away, in a folder of its own, and then this::

    SHANMEN_DATA_DIR=/tmp/pictures make run
    .venv/bin/python -m scripts.screenshots

It goes the way that people go, in Chinese and then in English: buys tickets in the sandbox, scans
them, looks at the console. It needs Chromium on the machine. Where the park is closed at this hour,
it opens a slot for now, so that somebody can be admitted.
"""

import argparse
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from playwright.sync_api import Browser, Page, StorageState, sync_playwright

from scripts.pictures import open_browser, save
from shanmen.kit import clock, documents

OUT = Path(__file__).resolve().parent.parent / "docs" / "images"
SITE = "yunling"
ZONE = "Asia/Shanghai"
ADMINISTRATOR = ("admin@yunling", "cloud ridge demo")
PERMISSIONS = ("insight.read", "orders.read", "inventory.edit")
PHONE = (360, 740)
DESK = (1280, 880)
COLOURS = 128
FEWEST_MINUTES = 20
"""A slot that ends sooner is of no use to the tour."""
NAMES = ("周明", "陈思远", "林晓月", "陈念")
AGES = (38, 36, 34, 9)
BUNDLE = ("大门", "大门")
BOUGHT = ("成人票", "亲子票")


def main() -> None:
    """Take all pictures of both languages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the demo runs")
    parser.add_argument("--out", default=OUT, type=Path, help="where the pictures go")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = open_browser(playwright)
        for language in ("zh-CN", "en"):
            Tour(browser, options.url.rstrip("/"), options.out, language).go()
        browser.close()


class Tour:
    """One language's way through the product."""

    def __init__(self, browser: Browser, url: str, out: Path, language: str) -> None:
        self.browser, self.url, self.out, self.language = browser, url, out, language
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=60)

    def go(self) -> None:
        """Take every picture."""
        desk = self.open(DESK, scale=1)
        self.sign_in(desk)
        key = self.make_key(desk)
        self.http.headers["Authorization"] = f"Bearer {key}"
        slot = self.slot_of_now()
        phone = self.open(PHONE, scale=2)
        number = self.buy(phone, slot)
        self.gate(number, desk.context.storage_state())
        desk.goto(f"{self.url}/console/today", wait_until="domcontentloaded")
        desk.wait_for_selector("canvas")
        desk.wait_for_timeout(1500)
        self.keep(desk, "console-today")
        self.revoke_key(desk)

    def open(self, size: tuple[int, int], *, scale: int, state: StorageState | None = None) -> Page:
        """A browser of somebody new, in the tour's language."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            device_scale_factor=scale,
            locale=self.language,
            timezone_id=ZONE,
            storage_state=state,
            reduced_motion="reduce",
        )
        context.add_cookies([{"name": "lang", "value": self.language, "url": self.url}])
        page = context.new_page()
        page.set_default_timeout(60_000)
        return page

    def keep(self, page: Page, name: str) -> None:
        """Write what the window shows as a small PNG."""
        page.wait_for_timeout(500)
        suffix = "" if self.language == "zh-CN" else f".{self.language}"
        path = self.out / f"{name}{suffix}.png"
        save(page.screenshot(), path, colours=COLOURS)
        print(f"{path.name}: {path.stat().st_size // 1024} KB")

    def sign_in(self, page: Page) -> None:
        """Sign in as the demo's administrator."""
        page.goto(f"{self.url}/console/api-keys")
        page.fill("input[name=login]", ADMINISTRATOR[0])
        page.fill("input[name=password]", ADMINISTRATOR[1])
        page.click("main button[type=submit]")
        page.wait_for_url("**/console/api-keys")

    def make_key(self, page: Page) -> str:
        """An API key for what the tour needs besides pages."""
        page.fill("input[name=name]", "Pictures")
        page.fill("input[name=channel]", "pictures")
        for permission in PERMISSIONS:
            page.check(f"input[value='{permission}']", force=True)
        page.locator("form[action='/console/api-keys'] button[type=submit]").click()
        return page.locator("code.reference").inner_text()

    def revoke_key(self, page: Page) -> None:
        """Take the key away again."""
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(f"{self.url}/console/api-keys")
        page.locator("tr", has_text="Pictures").locator("form button").first.click()
        page.wait_for_timeout(1000)

    def get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        """Something of the API."""
        return self.http.get(path, params=params).raise_for_status().json()

    def slot_of_now(self) -> UUID:
        """A slot of the main gate that admits at this moment, opened where there is none."""
        pool = self.get(f"/sites/{SITE}/pools")[0]["id"]
        today = clock.local(datetime.now(UTC), ZONE).date()
        for _ in range(2):
            now = clock.local(datetime.now(UTC), ZONE) + timedelta(minutes=FEWEST_MINUTES)
            slots = self.get(f"/pools/{pool}/slots", **{"from": str(today), "to": str(today)})
            for slot in slots:
                starts, ends = (datetime.fromisoformat(slot[x]) for x in ("starts_at", "ends_at"))
                if slot["status"] == "open" and starts < now < ends and slot["left"]:
                    return UUID(slot["id"])
            self.open_all_day(pool, slots, today)
        raise SystemExit("There is no slot for this moment, and none could be made.")

    def open_all_day(self, pool: str, slots: list[Any], today: date) -> None:
        """Add to today's slots one before the first and one after the last."""
        kept = [{name: slot[name] for name in ("starts", "ends", "capacity")} for slot in slots]
        first = min((slot["starts"] for slot in kept), default="12:00")
        last = max((slot["ends"] for slot in kept), default="12:00")
        more = [
            {"starts": starts, "ends": ends, "capacity": 200}
            for starts, ends in (("00:00", first), (last, "23:59"))
            if starts < ends
        ]
        self.http.post(
            f"/pools/{pool}/schedules",
            json={
                "name": "夜游 / Evening",
                "date_from": str(today),
                "date_until": str(today),
                "priority": 900,
                "slots": kept + more,
            },
        ).raise_for_status()

    def buy(self, page: Page, slot: UUID) -> str:
        """Buy a family ticket and an adult's; returns the order's number."""
        today = clock.local(datetime.now(UTC), ZONE).date()
        page.goto(f"{self.url}/s/{SITE}/visit?day={today + timedelta(days=1)}")
        page.locator("input[name=slot-s0]").nth(1).check(force=True)
        self.choose(page, BUNDLE)
        page.evaluate("scrollTo(0, 0)")
        self.keep(page, "visitor-tickets")
        page.goto(f"{self.url}/s/{SITE}/visit?day={today}")
        page.check(f"input[value='{slot}']", force=True)
        self.choose(page, BOUGHT)
        page.click("button[form=visit]")
        page.wait_for_url("**/visitors*")
        for index, (name, number) in enumerate(zip(NAMES, people(today), strict=True)):
            page.locator("input[name$='-name']").nth(index).fill(name)
            page.locator("input[name$='-document_number']").nth(index).fill(number)
        page.fill("input[name=phone]", "13800138000")
        page.click("button[form=visitors]")
        page.wait_for_url("**/orders/**")
        page.locator("form[action$='/pay'] button").first.click()
        page.wait_for_url("**/pay/SP*")
        page.locator("button.main").click()
        page.wait_for_url("**/orders/**")
        page.locator(".qr-frame svg").first.wait_for()
        self.keep(page, "e-ticket")
        return page.url.split("/orders/")[1].split("/")[0]

    def choose(self, page: Page, kinds: Sequence[str]) -> None:
        """One more of each of these, which are the beginnings of ticket types' names."""
        products = self.get(f"/sites/{SITE}/products")
        for kind in kinds:
            found = next(item for item in products if item["name"]["zh-CN"].startswith(kind))
            number = page.locator(f"#f-qty-n{found['number']}")
            number.locator("xpath=..").get_by_role("button").last.click()

    def gate(self, number: str, state: StorageState) -> None:
        """Admit the family, then refuse it."""
        codes = self.get(f"/orders/{number}/tickets")["tickets"]
        family = next(ticket["token"] for ticket in codes if ticket["persons"] > 1)
        page = self.open(PHONE, scale=2, state=state)
        page.goto(f"{self.url}/gate")
        page.locator("main a[href^='/gate/']").first.click()
        page.locator("#verdict").wait_for()
        for verdict in ("admit", "refuse"):
            page.wait_for_timeout(1000)
            page.keyboard.type(family)
            page.keyboard.press("Enter")
            page.locator(f"#verdict.verdict-{verdict}").wait_for()
            self.keep(page, f"gate-{verdict}")


def people(today: date) -> list[str]:
    """Resident ID numbers of `AGES`, with a right check digit; all of them made up."""
    dice = random.SystemRandom()
    found = []
    for age in AGES:
        birth = date(today.year - age - 1, dice.randint(1, 12), dice.randint(1, 28))
        stem = f"110105{birth:%Y%m%d}{dice.randint(0, 999):03d}"
        found.append(stem + documents.check_digit(stem))
    return found


if __name__ == "__main__":
    main()
