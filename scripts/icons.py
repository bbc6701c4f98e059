"""Draw the pictures that a phone shows for an installed page, from one drawing.

Run it after a change of ``img/app.svg``; it needs Chromium on the machine::

    .venv/bin/python -m scripts.icons
"""

import os
import shutil
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parent.parent / "src" / "shanmen" / "web" / "static" / "img"
SIZES = (192, 512)
COLOURS = 32


def main() -> None:
    """Write one PNG file for each size beside the drawing."""
    drawing = (FOLDER / "app.svg").read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
            # Chromium cannot shut itself in when it runs as root.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        for size in SIZES:
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(f"<style>body, svg {{ margin: 0; display: block }}</style>{drawing}")
            picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
            picture.quantize(COLOURS).save(FOLDER / f"app-{size}.png", optimize=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
