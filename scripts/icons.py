"""Draw the pictures that a phone shows for an installed page, from one drawing.

Run it after a change of ``img/app.svg``; it needs Chromium on the machine::

    .venv/bin/python -m scripts.icons
"""

from pathlib import Path

from playwright.sync_api import sync_playwright

from scripts.pictures import open_browser, save

FOLDER = Path(__file__).resolve().parent.parent / "src" / "shanmen" / "web" / "static" / "img"
SIZES = (192, 512)
COLOURS = 32


def main() -> None:
    """Write one PNG file for each size beside the drawing."""
    drawing = (FOLDER / "app.svg").read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        browser = open_browser(playwright)
        for size in SIZES:
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(f"<style>body, svg {{ margin: 0; display: block }}</style>{drawing}")
            save(page.screenshot(), FOLDER / f"app-{size}.png", colours=COLOURS)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
