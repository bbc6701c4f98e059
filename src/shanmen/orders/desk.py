"""The order desk of one process: requests that arrive together share a transaction.

One coalescer places orders, one settles payment notices, each per tenant. Placing answers only
after its commit; a commit whose answer was lost is run again and resolved by its idempotency keys,
so a request without a key of its own is given one here.
"""

from datetime import timedelta

from shanmen.db.idempotency import key_digest
from shanmen.db.session import Actor, Database
from shanmen.kit import ids
from shanmen.kit.coalesce import Coalescer
from shanmen.kit.errors import DomainError
from shanmen.orders.schemas import OrderView, Placed, PlaceOrder
from shanmen.orders.service.pay import Heard, settle
from shanmen.orders.service.place import Outcome, place_and_tell
from shanmen.orders.service.shown import new_order_view
from shanmen.orders.service.write import Granted

SETTLER = Actor("provider", label="callback")


class OrderDesk:
    """Places orders and settles payments for all tenants of a process.

    Args:
        hold: how long an unpaid order keeps its places.
        max_batch: most requests in one transaction.
        max_queue: most requests of a tenant that may wait; more are `Overloaded`.
    """

    def __init__(
        self, database: Database, *, hold: timedelta, max_batch: int, max_queue: int
    ) -> None:
        self._database = database
        self._hold_seconds = int(hold.total_seconds())
        self.placing: Coalescer[int, PlaceOrder, tuple[Outcome, Granted | None]] = Coalescer(
            self._place, max_batch=max_batch, max_queue=max_queue
        )
        self.settling: Coalescer[int, Heard, str] = Coalescer(
            self._settle, max_batch=max_batch, max_queue=max_queue
        )

    async def place(self, tenant_id: int, request: PlaceOrder) -> Placed:
        """Hold the places of an order; raises the error that refuses it.

        Raises:
            Overloaded: too many requests are waiting.
        """
        placed, _ = await self._submit(tenant_id, request)
        return placed

    async def place_and_show(
        self, tenant_id: int, request: PlaceOrder
    ) -> tuple[Placed, OrderView | None]:
        """As `place`, with the whole order where it is new.

        It is made of what was written, because reading it back would cost more than placing it.
        """
        placed, granted = await self._submit(tenant_id, request)
        if granted is None:
            return placed, None
        return placed, new_order_view(granted, self._database.keyrings.opened(tenant_id))

    async def _submit(self, tenant_id: int, request: PlaceOrder) -> tuple[Placed, Granted | None]:
        if request.key_hash is None:
            own = key_digest("orders.place", "", ids.token(16))
            request = PlaceOrder(
                request.site_id, request.timezone, request.channel, request.order, own, own,
                request.placed_by,
            )  # fmt: skip
        outcome, granted = await self.placing.submit(tenant_id, request)
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome, granted

    async def settle(self, tenant_id: int, heard: Heard) -> str:
        """Act on a verified payment notice; returns what was made of it."""
        return await self.settling.submit(tenant_id, heard)

    async def close(self) -> None:
        """Finish what was accepted."""
        await self.placing.close()
        await self.settling.close()

    async def _place(
        self, tenant_id: int, requests: list[PlaceOrder]
    ) -> list[tuple[Outcome, Granted | None]]:
        unit = self._database.unit(tenant_id)
        outcomes, granted = await unit(
            place_and_tell, requests=requests, hold_seconds=self._hold_seconds
        )
        return [
            (outcome, granted.get(outcome.id) if isinstance(outcome, Placed) else None)
            for outcome in outcomes
        ]

    async def _settle(self, tenant_id: int, notices: list[Heard]) -> list[str]:
        return await self._database.unit(tenant_id, actor=SETTLER)(
            settle, notices=notices, alone=True
        )
