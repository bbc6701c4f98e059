"""All pages of this module, and their places in the console's navigation."""

from shanmen.sites.access import NavEntry
from shanmen.sites.pages import entry, keys, log, people, places, profile, roles
from shanmen.web.render import NavItem

routes = [
    *entry.routes,
    *places.routes,
    *people.routes,
    *roles.routes,
    *keys.routes,
    *log.routes,
    *profile.routes,
]

NAV = [
    NavEntry(
        NavItem("sites", "sites.nav.sites", "/console/sites", "mountain"), ("sites.edit",), 80
    ),
    NavEntry(NavItem("staff", "sites.nav.staff", "/console/staff", "people"), ("staff.edit",), 84),
    NavEntry(
        NavItem("roles", "sites.nav.roles", "/console/roles", "settings"), ("staff.edit",), 86
    ),
    NavEntry(NavItem("keys", "sites.nav.keys", "/console/api-keys", "key"), ("apikeys.edit",), 88),
    NavEntry(NavItem("audit", "sites.nav.audit", "/console/audit", "list"), ("audit.read",), 90),
    NavEntry(NavItem("profile", "sites.nav.profile", "/console/profile", "user"), (), 95),
]
