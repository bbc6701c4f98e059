"""Reads over other modules' tables; each answers with the shapes of `insight.schemas`."""
