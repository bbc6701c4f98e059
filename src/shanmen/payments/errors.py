"""What payments refuse; the providers' own errors are in `providers.base`."""

from shanmen.kit.errors import DomainError


class UnknownProvider(DomainError):
    """No payment provider has this code; params: provider."""

    code = "payments.unknown_provider"
    status = 404
