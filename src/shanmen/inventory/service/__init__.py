"""Use cases of the stock: pools, schedules, what tickets draw on, special days, slots by hand."""
