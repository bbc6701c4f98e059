"""All pages of this module, and their places in the console's navigation."""

from shanmen.insight.pages import days, today
from shanmen.sites.access import NavEntry
from shanmen.web.render import NavItem

routes = [*today.routes, *days.routes]

NAV = [
    NavEntry(
        NavItem("today", "insight.nav.today", "/console/today", "chart"), ("insight.read",), 10
    ),
    NavEntry(
        NavItem("days", "insight.nav.days", "/console/days", "calendar"), ("insight.read",), 14
    ),
]
