"""All API routes of this module."""

from shanmen.inventory.api import pools, slots, visit

routes = [*visit.routes, *pools.routes, *slots.routes]
