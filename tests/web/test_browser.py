import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.conftest import ROOT

pytestmark = pytest.mark.e2e

PAGES = ["/visitor", "/visitor?lang=en", "/console", "/gate/admit", "/gate/warn", "/login", "/x"]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
ALL_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE = """rules => axe.run({runOnly: rules, resultTypes: ["violations"]})
    .then(r => r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html)))"""
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture
def page(browser: Browser):
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="zh-CN")
    page = context.new_page()
    broken = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda m: broken.append(m.text) if "Content Security" in m.text else None)
    yield page
    context.close()
    assert not broken


@pytest.mark.parametrize("width", [360, 1280])
def test_pages_are_accessible_and_fit(page: Page, kitchen_url: str, width: int):
    """In the light by all rules; in the dark nothing changes but the colours."""
    page.set_viewport_size({"width": width, "height": 740})
    page.add_init_script(AXE.read_text())
    for path in PAGES:
        page.emulate_media(color_scheme="light")
        page.goto(kitchen_url + path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        assert page.evaluate(RUN_AXE, ALL_RULES) == [], path
        page.emulate_media(color_scheme="dark")
        page.evaluate(DRAWN)
        assert page.evaluate(RUN_AXE, ["color-contrast"]) == [], path


def test_what_is_touched_is_large_enough(page: Page, kitchen_url: str):
    page.goto(f"{kitchen_url}/visitor")
    sizes = page.locator("button:visible, a.button, a.day, .slot, .choice, select").evaluate_all(
        "all => all.map(e => [e.className, e.getBoundingClientRect().height])"
    )
    assert sizes
    assert [size for size in sizes if size[1] < 44] == []


def test_the_stepper_counts_within_its_bounds(page: Page, kitchen_url: str):
    page.goto(f"{kitchen_url}/visitor")
    stepper = page.locator("[data-stepper]").first
    field, (less, more) = stepper.locator("input"), stepper.locator("button").all()
    expect(field).to_have_value("2")
    for _ in range(3):
        if less.is_enabled():
            less.click()
    expect(field).to_have_value("0")
    expect(less).to_be_disabled()
    more.click()
    expect(field).to_have_value("1")


def test_the_menu_opens_without_scripts(browser: Browser, kitchen_url: str):
    context = browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{kitchen_url}/console")
    link = page.locator(".console-menu a").first
    assert not link.is_visible()
    page.locator(".console-menu summary").click()
    assert link.is_visible()
    context.close()


def test_a_dialog_opens_and_closes(page: Page, kitchen_url: str):
    page.goto(f"{kitchen_url}/console")
    dialog = page.locator("#sure")
    page.locator("[data-dialog=sure]").click()
    expect(dialog).to_be_visible()
    dialog.locator(".icon-button").click()
    expect(dialog).to_be_hidden()


def test_a_second_tap_does_not_send_twice(page: Page, kitchen_url: str):
    page.goto(f"{kitchen_url}/login")
    sent = []
    page.on("request", lambda r: sent.append(r) if r.method == "POST" else None)
    page.fill("#f-login", "wang")
    page.fill("#f-password", "secret")
    with page.expect_navigation():
        page.locator("button[type=submit]").dblclick()
    assert len(sent) == 1


def test_figures_follow_a_stream(page: Page, kitchen_url: str):
    page.goto(f"{kitchen_url}/console")
    expect(page.locator("[data-live=admitted]")).to_have_text("12,848")
    expect(page.locator("[data-live=inside]")).to_have_text("6,321")


def test_what_htmx_brings_works_too_and_its_failure_is_said(page: Page, kitchen_url: str):
    page.goto(f"{kitchen_url}/console?lang=en")
    page.evaluate("htmx.ajax('GET', '/raise/domain', '.console-head')")
    expect(page.locator("#flash [role=alert]")).to_be_visible()
    page.context.set_offline(True)
    page.evaluate("htmx.ajax('GET', '/console', '.console-head').catch(() => {})")
    expect(page.locator("#flash")).to_contain_text("nothing was sent")
