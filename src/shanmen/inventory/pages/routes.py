"""All pages of this module, and their places in the console's navigation."""

from shanmen.inventory.pages import (
    allotments,
    days,
    divisions,
    pools,
    schedules,
    slots,
    stock,
)
from shanmen.sites.access import NavEntry
from shanmen.web.render import NavItem

READERS = ("inventory.edit", "catalog.edit", "insight.read")

routes = [
    *stock.routes,
    *slots.routes,
    *pools.routes,
    *schedules.routes,
    *days.routes,
    *allotments.routes,
    *divisions.routes,
]

NAV = [
    NavEntry(NavItem("slots", "inventory.nav.slots", "/console/slots", "clock"), READERS, 42),
    NavEntry(
        NavItem("schedules", "inventory.nav.schedules", "/console/schedules", "list"), READERS, 44
    ),
    NavEntry(
        NavItem("allotments", "inventory.nav.allotments", "/console/allotments", "chart"),
        READERS,
        45,
    ),
    NavEntry(
        NavItem("calendar", "inventory.nav.calendar", "/console/calendar", "calendar"), READERS, 46
    ),
]
