"""All routes of this module for programs."""

from shanmen.admission.api import gates, scans, setup

routes = [*scans.routes, *setup.routes, *gates.routes]
direct = scans.direct
