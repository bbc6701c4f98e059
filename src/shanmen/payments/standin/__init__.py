"""The stand-in for a payment provider: a server of its own that moves no real money.

It speaks the sandbox protocol as a real provider would (signed both ways, idempotent, callbacks
repeated until they are taken), keeps its state in a file, and misbehaves on request, so that the
whole way of a payment can be rehearsed offline. ``python -m shanmen.payments.standin`` starts it.
"""
