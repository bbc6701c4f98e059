"""Orders: place, pay, issue, change, refund; their states and every transition.

An order *holds* places for a while, is *paid*, and its tickets are *issued* in the same
transaction. A hold that is not paid in time *expires* and its places come back. Order lines are a
snapshot of what was sold and at what price; holders and tickets are rows of the tickets module.
"""
