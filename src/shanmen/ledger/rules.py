"""The accounts that payments and refunds move between."""

RECEIVED = "assets:payments:{provider}"
"""Money that a payment provider has taken for us."""

PREPAID = "liabilities:prepaid-tickets"
"""Paid for and not yet used or given back."""

CANCELLATION_FEES = "income:cancellation-fees"
"""What is kept of a price when a ticket is given back."""


def received(provider: str) -> str:
    """The account of one provider."""
    return RECEIVED.format(provider=provider)
