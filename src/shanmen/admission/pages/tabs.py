"""The console's pages about gates, side by side."""

from shanmen.sites.queries import SignedIn
from shanmen.web.i18n import Locale, t

EDIT = ("sites.edit",)
OVERRIDE = ("admission.override",)
SEEN_BY = (*EDIT, *OVERRIDE)

PAGES = (
    ("/console/gates", "admission.gates.nav", SEEN_BY),
    ("/console/lanes", "admission.lanes.nav", EDIT),
    ("/console/gate-rules", "admission.rules.nav", EDIT),
    ("/console/cases", "admission.cases.nav", OVERRIDE),
    ("/console/blocked", "admission.blocked.nav", OVERRIDE),
)


def of(
    staff: SignedIn, current: str, locale: Locale, *, cases: int = 0
) -> list[tuple[str, str, bool]]:
    """The pages that somebody may see; with the number of cases that wait."""
    found = []
    for path, key, permissions in PAGES:
        if not staff.permissions.intersection(permissions):
            continue
        label = t(locale, key)
        if cases and path == "/console/cases":
            label = t(locale, "admission.cases.nav_count", count=cases)
        found.append((path, label, path == current))
    return found
