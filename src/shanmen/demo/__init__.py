"""The demo: two fictional parks, and a year of orders and admissions made by the real services.

`parks` makes the tenants at the first start, in a second or two. `history` fills the past behind
the pages that are served already. Everybody in it is made up.
"""
