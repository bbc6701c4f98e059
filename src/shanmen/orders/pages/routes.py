"""All pages of this module, and their place in the console's navigation."""

from litestar import Router

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
from shanmen.sites.access import VISITORS, NavEntry
from shanmen.web.render import NavItem

visitors = Router(
    "/",
    dependencies=dict(VISITORS),
    route_handlers=[
        *browse.routes,
        *checkout.routes,
        *order.routes,
        *paying.routes,
        *refund.routes,
        *move.routes,
        *find.routes,
        *offline.routes,
    ],
)
routes = [
    visitors,
    *console.routes,
    *console_change.routes,
    *conduct.routes,
]

NAV = [NavEntry(NavItem("orders", "orders.nav", "/console/orders", "ticket"), ("orders.read",), 20)]
