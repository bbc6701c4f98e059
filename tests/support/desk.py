"""An order desk as a test speaks to it: place, pay, look."""

from uuid import UUID

from sqlalchemy import text

from shanmen.db.session import Actor, Database, Session
from shanmen.inventory.queries import slots_by_id
from shanmen.kit import clock, ids
from shanmen.orders.queries import order_by_id
from shanmen.orders.schemas import OrderView, Placed, PlaceOrder
from shanmen.orders.service.pay import Heard, settle
from shanmen.orders.service.place import place_orders
from shanmen.orders.service.refund import record_refund_state
from shanmen.payments import service as payments
from shanmen.payments.providers.base import (
    NoticeKind,
    ProviderNotice,
    RefundState,
    RefundStatus,
)
from tests.support.park import Park

HOLD_SECONDS = 900


class Desk:
    """One park's order desk."""

    def __init__(self, database: Database, park: Park) -> None:
        self.unit = database.unit(park.tenant_id, actor=Actor("staff", "1", "Wang (wang)"))
        self.park = park

    async def place(self, request: PlaceOrder) -> Placed:
        [placed] = await self.unit(place_orders, requests=[request], hold_seconds=HOLD_SECONDS)
        assert isinstance(placed, Placed), placed
        return placed

    async def attempt(self, placed: Placed, provider: str = "sandbox") -> UUID:
        view = await self.unit(
            payments.open_attempt,
            order_id=placed.id,
            order_number=placed.number,
            amount_fen=placed.amount_fen,
            provider=provider,
            expires_at=placed.hold_expires_at,
        )
        return view.id

    async def pay(
        self, placed: Placed, *, attempt: UUID | None = None, fen: int | None = None
    ) -> str:
        attempt = attempt or await self.attempt(placed)
        return await self.hear(notice(attempt, placed.amount_fen if fen is None else fen))

    async def hear(self, heard: Heard) -> str:
        [outcome] = await self.unit(settle, notices=[heard])
        return outcome

    async def view(self, placed: Placed) -> OrderView:
        return await self.unit(order_by_id, order_id=placed.id)

    async def counters(self, slot: int = 0) -> tuple[int, int]:
        state = (await self.unit(slots_by_id, ids=self.park.slots))[self.park.slots[slot]]
        return state.held, state.sold

    async def confirm_refunds(self, placed: Placed) -> None:
        for refund in await self.unit(payments.refunds_of, order_id=placed.id):
            if refund.status == "requested":
                await self.unit(
                    record_refund_state,
                    refund_id=refund.id,
                    state=RefundState(out_refund_no=refund.id.hex, status=RefundStatus.SUCCEEDED),
                )

    async def count(self, table: str, where: str = "true") -> int:
        """How many of the tenant's rows there are."""

        async def ask(session: Session) -> int:
            found = await session.scalar(text(f"SELECT count(*) FROM {table} WHERE {where}"))
            return int(found or 0)

        return await self.unit(ask)


def notice(attempt: UUID, amount_fen: int) -> Heard:
    """A provider says that it has the money."""
    return Heard(
        "sandbox",
        ProviderNotice(
            event_id=ids.token(8),
            kind=NoticeKind.PAID,
            out_trade_no=attempt.hex,
            provider_ref="ref",
            amount_fen=amount_fen,
            occurred_at=clock.now(),
            digest="",
        ),
    )
