"""A process of buyers: says that it is ready, waits for a line, and buys with all of them at once.

`test_last_places` starts several. What to buy comes on standard input, what came of it goes out on
standard output, both as JSON; then it waits for the next errand.
"""

import asyncio
import json
import sys
from collections import Counter
from uuid import UUID

import msgspec

from shanmen.db.keys import Keyrings
from shanmen.db.safety import check_safe
from shanmen.kit.crypto import MasterKeys
from shanmen.orders.schemas import OrderInput, PlaceOrder, TicketInput, VisitorInput
from shanmen.orders.service.place import place_orders
from tests.races.tampered import TamperedDatabase, without


class Errand(msgspec.Struct):
    """What a process of buyers is to do."""

    url: str
    masters: str
    app_role: str
    off: list[str]
    tenant_id: int
    site_id: UUID
    ticket_type_id: UUID
    slot_id: UUID
    timezone: str
    visitors: list[VisitorInput]


async def main(errand: Errand) -> None:
    database = TamperedDatabase(
        errand.url,
        keyrings=Keyrings(MasterKeys.parse(errand.masters)),
        app_role=errand.app_role,
        rewrite=without(*errand.off),
    )
    unit = database.unit(errand.tenant_id)

    async def buy(visitor: VisitorInput) -> str:
        ticket = TicketInput(errand.ticket_type_id, errand.slot_id, [visitor])
        order = OrderInput(phone="13800138000", tickets=[ticket])
        request = PlaceOrder(errand.site_id, errand.timezone, "web", order)
        [outcome] = await unit(place_orders, requests=[request], hold_seconds=900)
        return type(outcome).__name__

    await check_safe(database)
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    outcomes = await asyncio.gather(*(buy(visitor) for visitor in errand.visitors))
    await database.close()
    say(json.dumps(Counter(outcomes)))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for line in iter(sys.stdin.readline, ""):
        asyncio.run(main(msgspec.json.decode(line, type=Errand)))
