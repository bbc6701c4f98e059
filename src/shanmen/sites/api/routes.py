"""All routes of this module for programs."""

from shanmen.sites.api import log, people, places

routes = [*places.routes, *people.routes, *log.routes]
