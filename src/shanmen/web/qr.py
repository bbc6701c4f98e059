"""QR codes as crisp inline SVG."""

import math
import re
from html import escape
from typing import Any, Final

import zxingcpp
from markupsafe import Markup

__all__ = ["qr_svg"]

_LEVEL: Final = "M"
_QUIET_ZONE: Final = 4
_DARK: Final = re.compile(b"\x00+")
_RUNS: Final = [f"h{length}v1h-{length}z" for length in range(178)]
"""The outline of so many dark modules side by side; the largest code is 177 modules wide."""


def qr_svg(text: str, label: str) -> Markup:
    """Return a QR code of ``text`` as SVG markup named ``label`` for screen readers.

    The picture has its own quiet zone and white ground, so it reads in the dark too. Text
    in upper case, digits and ``$%*+-./:`` is written in the smaller alphanumeric mode.
    """
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=_LEVEL)
    # One byte for each module. The library's types do not tell that a picture is a buffer.
    picture: Any = code.to_image(scale=1, add_quiet_zones=False)
    data = memoryview(picture).tobytes()
    size = math.isqrt(len(data))
    path = "".join(
        f"M{run.start() + _QUIET_ZONE} {y + _QUIET_ZONE}{_RUNS[run.end() - run.start()]}"
        for y in range(size)
        for run in _DARK.finditer(data[y * size : (y + 1) * size])
    )
    side = size + 2 * _QUIET_ZONE
    return Markup(  # noqa: S704 - digits, and what is escaped.
        f'<svg role="img" aria-label="{escape(label, quote=True)}" shape-rendering="crispEdges" '
        f'viewBox="0 0 {side} {side}" class="qr">'
        f'<path fill="#fff" d="M0 0h{side}v{side}h-{side}z"/><path d="{path}"/></svg>'
    )
