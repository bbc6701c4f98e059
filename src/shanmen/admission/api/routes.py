"""All routes of this module for programs."""

from shanmen.admission.api import cases, devices, gates, scans, setup

routes = [*scans.routes, *setup.routes, *devices.routes, *cases.routes, *gates.routes]
direct = scans.direct
