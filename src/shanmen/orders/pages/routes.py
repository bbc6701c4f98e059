"""All pages of this module, and their place in the console's navigation."""

from typing import get_type_hints

from litestar import Router
from litestar.handlers import HTTPRouteHandler

from shanmen.orders.pages import (
    browse,
    checkout,
    conduct,
    console,
    console_change,
    find,
    move,
    offline,
    order,
    paying,
    refund,
)
from shanmen.orders.pages.common import Page
from shanmen.sites.access import VISITORS, NavEntry, visitors_page
from shanmen.web.render import NavItem

_HANDLERS = [
    *browse.routes,
    *checkout.routes,
    *order.routes,
    *paying.routes,
    *refund.routes,
    *move.routes,
    *find.routes,
    *offline.routes,
]
visitors = Router("/", dependencies=dict(VISITORS), route_handlers=_HANDLERS)
routes = [
    visitors,
    *console.routes,
    *console_change.routes,
    *conduct.routes,
]


def _is_looked_at(handler: HTTPRouteHandler) -> bool:
    """Whether a handler shows a page of a site and changes nothing."""
    hints = get_type_hints(handler.fn)
    return handler.http_methods == {"GET"} and "site" in hints and hints["return"] == Page


direct = [
    route for handler in _HANDLERS if _is_looked_at(handler) for route in visitors_page(handler)
]

NAV = [NavEntry(NavItem("orders", "orders.nav", "/console/orders", "ticket"), ("orders.read",), 20)]
