"""All routes of the API of orders, and the providers' addresses."""

from shanmen.orders.api import callback, changes, conduct, desk, holds

routes = [*desk.routes, *changes.routes, *holds.routes, *conduct.routes, *callback.routes]
