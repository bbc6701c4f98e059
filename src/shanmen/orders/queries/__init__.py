"""Reads of orders. Personal data comes out masked."""

from shanmen.orders.queries.order import (
    OrderFile,
    check_order_secret,
    file_by_id,
    file_by_number,
    file_for_page,
    find_own,
    order_by_id,
    order_by_number,
    order_secret,
)
from shanmen.orders.queries.restrictions import (
    RestrictionPage,
    RestrictionRow,
    restrictions,
)
from shanmen.orders.queries.search import OrderFilter, OrderPage, OrderRow, search_orders

__all__ = [
    "OrderFile",
    "OrderFilter",
    "OrderPage",
    "OrderRow",
    "RestrictionPage",
    "RestrictionRow",
    "check_order_secret",
    "file_by_id",
    "file_by_number",
    "file_for_page",
    "find_own",
    "order_by_id",
    "order_by_number",
    "order_secret",
    "restrictions",
    "search_orders",
]
