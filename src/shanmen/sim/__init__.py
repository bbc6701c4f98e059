"""Seeded days of a park: real agents and the real server under a simulated clock, network and disk.

An auditor knows what really happened at the barriers and compares it with everybody's books. The
same seed gives the same day on any machine; deliberate faults show that the auditor sees them.
"""
