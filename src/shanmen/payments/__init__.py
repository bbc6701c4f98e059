"""Payments and refunds: attempts, providers, callbacks.

A payment *attempt* is recorded and committed before the provider is called, and its id is the
number the provider knows it by, so that a repeated call never charges twice. Providers implement
one interface; the sandbox is a real HTTP server that ships with the product.
"""
