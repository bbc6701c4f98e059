"""All pages of this module, and their places in the console's navigation."""

from shanmen.admission.pages import cases, gate, gates, lanes, rules

routes = [*gate.routes, *gates.routes, *lanes.routes, *rules.routes, *cases.routes]
NAV = gates.NAV
