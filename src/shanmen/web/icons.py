"""Line icons as inline SVG."""

import tomllib
from functools import cache
from importlib import resources
from typing import Final

from markupsafe import Markup

__all__ = ["ICONS", "icon"]

ICONS: Final[dict[str, str]] = tomllib.loads(
    (resources.files("shanmen.web") / "icons.toml").read_text(encoding="utf-8")
)


@cache
def icon(name: str, size: int = 20) -> Markup:
    """Return a decorative icon, ``size`` pixels wide; words beside it must say the same.

    Raises:
        KeyError: there is no icon of that name in ``icons.toml``.
    """
    return Markup(  # noqa: S704 - our own drawings, and a number.
        f'<svg class="icon" width="{size:d}" height="{size:d}" viewBox="0 0 24 24" fill="none" '
        'stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" '
        f'aria-hidden="true">{ICONS[name]}</svg>'
    )
