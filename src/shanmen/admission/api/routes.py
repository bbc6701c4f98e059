"""All routes of this module for programs."""

from shanmen.admission.api import gates, scans

routes = [*scans.routes, *gates.routes]
direct = scans.direct
