"""Benchmarks: the real product on one machine, against its goals and against a floor.

``python -m bench`` lists them. Each starts web processes over a PostgreSQL of its own with durable
settings, loads them over HTTP, and fails when the rows in the database are not what clients were
told. docs/bench.md says what is measured and how, and keeps the latest figures.
"""
