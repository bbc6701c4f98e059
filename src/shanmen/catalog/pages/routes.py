"""All pages of this module, and their places in the console's navigation."""

from shanmen.catalog.pages import holds, prices, products
from shanmen.sites.access import NavEntry
from shanmen.web.render import NavItem

routes = [*holds.routes, *products.routes, *prices.routes]

NAV = [
    NavEntry(
        NavItem("products", "catalog.nav.products", "/console/products", "ticket"),
        ("catalog.edit", "inventory.edit", "insight.read"),
        40,
    ),
]
