"""Tickets: the signed token, the rotating code, issuing, holders, use.

A *ticket* is a right to enter for a party of persons; its *token* is what the QR code carries,
signed so that a gate verifies it alone. A *holder* is a person the ticket is made out to. A
rescheduled ticket gets a new *generation*, and older tokens of it are refused.
"""
