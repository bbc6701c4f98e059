"""Shanmen: ticketing and operations for scenic areas."""
