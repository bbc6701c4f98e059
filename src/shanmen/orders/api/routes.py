"""All routes of the API of orders, and the providers' addresses."""

from shanmen.orders.api import callback, changes, desk, holds

routes = [*desk.routes, *changes.routes, *holds.routes, *callback.routes]
