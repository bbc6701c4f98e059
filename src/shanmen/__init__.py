"""Shanmen: ticketing and operations for scenic areas."""

__version__ = "0.1.0"
