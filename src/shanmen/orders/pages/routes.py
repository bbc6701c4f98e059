"""All pages of this module, and their place in the console's navigation."""

from shanmen.orders.pages import browse, change, checkout, find, offline, order
from shanmen.sites.access import NavEntry

routes = [
    *browse.routes,
    *checkout.routes,
    *order.routes,
    *change.routes,
    *find.routes,
    *offline.routes,
]

NAV: list[NavEntry] = []
