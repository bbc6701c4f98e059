"""QR codes as crisp inline SVG."""

import math
from html import escape
from itertools import groupby
from typing import Any, Final

import zxingcpp
from markupsafe import Markup

__all__ = ["qr_svg"]

_LEVEL: Final = "M"
_QUIET_ZONE: Final = 4
_BITS: Final = bytes(b"1"[0] if shade == 0 else b"0"[0] for shade in range(256))
"""For each shade of a pixel the digit of a dark or of a light module."""


def _stroke(eight: int) -> str:
    """The way of a pen over eight modules side by side: it draws the dark, and leaps the others."""
    runs = ((module, len(list(same))) for module, same in groupby(f"{eight:08b}"))
    return "".join(f"h{length}" if dark == "1" else f"m{length} 0" for dark, length in runs)


_STROKES: Final = [_stroke(eight) for eight in range(256)]


def qr_svg(text: str, label: str, *, mask: int | None = None) -> Markup:
    """Return a QR code of ``text`` as SVG markup named ``label`` for screen readers.

    The picture has its own quiet zone and white ground, so it reads in the dark too. Text
    in upper case, digits and ``$%*+-./:`` is written in the smaller alphanumeric mode.

    Of the eight masks the one is searched for that makes the calmest picture, which takes most of
    the time. Where the text is as good as random, like a signature, one is as good as another: then
    ``mask`` says which.
    """
    chosen = {} if mask is None else {"data_mask": mask}
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=_LEVEL, **chosen)
    # One byte for each module. The library's types do not tell that a picture is a buffer.
    picture: Any = code.to_image(scale=1, add_quiet_zones=False)
    bits = memoryview(picture).tobytes().translate(_BITS)
    size = math.isqrt(len(bits))
    length = -(-size // 8)
    path = "".join(
        [
            f"M{_QUIET_ZONE} {y + _QUIET_ZONE}.5"
            + "".join(
                [_STROKES[eight] for eight in (row << 8 * length - size).to_bytes(length, "big")]
            )
            for y, row in enumerate(
                int(bits[at : at + size], 2) for at in range(0, size * size, size)
            )
        ]
    )
    side = size + 2 * _QUIET_ZONE
    return Markup(  # noqa: S704 - digits, and what is escaped.
        f'<svg role="img" aria-label="{escape(label, quote=True)}" shape-rendering="crispEdges" '
        f'viewBox="0 0 {side} {side}" class="qr"><path fill="#fff" '
        f'd="M0 0h{side}v{side}h-{side}z"/><path stroke="#000" d="{path}"/></svg>'
    )
