"""All pages of this module, and their places in the console's navigation."""

from shanmen.admission.pages import gate, lanes

routes = [*gate.routes, *lanes.routes]
NAV = lanes.NAV
