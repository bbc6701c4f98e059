"""What the scripts that draw pictures have in common: a browser, and small files."""

import os
import shutil
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Playwright


def open_browser(playwright: Playwright) -> Browser:
    """Start the machine's own Chromium."""
    return playwright.chromium.launch(
        executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
        # Chromium cannot shut itself in when it runs as root.
        args=["--no-sandbox"] if os.geteuid() == 0 else [],
    )


def save(shot: bytes, path: Path, *, colours: int) -> None:
    """Write a page's picture as a PNG file of few colours."""
    with Image.open(BytesIO(shot)) as picture:
        few = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
