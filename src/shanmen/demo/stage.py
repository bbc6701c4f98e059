"""The next days as a visitor should find them: one show sold out, one nearly, by real orders."""

import random
from datetime import date, datetime, timedelta

from shanmen.catalog.queries import current_catalog
from shanmen.db.session import Session
from shanmen.demo import journal
from shanmen.demo.people import person, phone
from shanmen.demo.plan import Fate, PlannedOrder, PlannedTicket
from shanmen.demo.sales import Shop, sell_batch
from shanmen.inventory.queries import slots_between
from shanmen.inventory.rules import SlotState

SHOW = "theatre"
PARTY = 5
FULL_TOMORROW = 1.0
NEARLY_FULL_AFTER = 0.9


async def dress_up(session: Session, *, shop: Shop, seed: int, today: date, now: datetime) -> None:
    """Fill tomorrow's last show, and nearly that of the day after; once for each day."""
    if await journal.staged(session, seed=seed, day=today):
        return
    catalog = await current_catalog(session)
    pool = catalog.types[shop.types[SHOW]].draws[0].pool_id
    for ahead, share in ((1, FULL_TOMORROW), (2, NEARLY_FULL_AFTER)):
        day = today + timedelta(days=ahead)
        slots = await slots_between(session, pool_ids=[pool], first=day, last=day)
        still_open = [slot for slot in slots if slot.status == "open"]
        if still_open:
            await _fill(session, shop, still_open[-1], share, seed=seed, now=now)


async def _fill(
    session: Session, shop: Shop, slot: SlotState, share: float, *, seed: int, now: datetime
) -> None:
    dice = random.Random(f"stage {seed} {slot.day}")  # noqa: S311 - a replay
    wanted = int(slot.capacity * share) - slot.taken
    orders = []
    while wanted > 0:
        buyer = dice.getrandbits(47) << 5
        size = min(PARTY, wanted)
        people = [person(buyer + n, "adult", slot.day) for n in range(size)]
        orders.append(
            PlannedOrder(
                key=(slot.day, -1),
                created=now - timedelta(hours=1),
                channel="web",
                phone=phone(buyer),
                locale="zh-CN",
                tickets=tuple(PlannedTicket(SHOW, (one,), slot) for one in people),
                fate=Fate.PAID,
            )
        )
        wanted -= size
    if orders:
        await sell_batch(session, shop, orders)
