"""Helpers for tests: a small park, an application, buyers."""
