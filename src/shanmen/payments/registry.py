"""The payment providers that this server works with, by code."""

from collections.abc import Iterable

from shanmen.payments.errors import UnknownProvider
from shanmen.payments.providers.base import PaymentProvider


class Providers:
    """All providers in use.

    Args:
        providers: the first is the default of the visitor's pages.
        public_url: where providers reach this server.
    """

    def __init__(self, providers: Iterable[PaymentProvider], *, public_url: str) -> None:
        self._by_code = {provider.code: provider for provider in providers}
        self.public_url = public_url.rstrip("/")

    def get(self, code: str) -> PaymentProvider:
        """The provider of this code; raises UnknownProvider."""
        found = self._by_code.get(code)
        if found is None:
            raise UnknownProvider(field="provider", provider=code)
        return found

    @property
    def default(self) -> PaymentProvider:
        """The provider that visitors pay with."""
        return next(iter(self._by_code.values()))

    async def close(self) -> None:
        """Close the connections to all providers."""
        for provider in self._by_code.values():
            await provider.aclose()

    def notify_url(self, code: str, tenant_id: int) -> str:
        """The address that a provider reports to."""
        return f"{self.public_url}/pay/callback/{code}/{tenant_id}"
