"""All API routes of this module."""

from shanmen.inventory.api import allotments, pools, slots, visit

routes = [*visit.routes, *pools.routes, *slots.routes, *allotments.routes]
