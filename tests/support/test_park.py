"""A park whose ticket types are a copy is like one whose types the services made."""

from dataclasses import replace

from sqlalchemy import text

from shanmen.catalog.queries import current_catalog
from shanmen.catalog.rules import TicketTypeInfo
from shanmen.db.session import Database, Session
from shanmen.kit import ids
from tests.support import park as parks
from tests.support.park import Park, make_park

AUDITED = (
    "SELECT action, count(*) FROM audit_log WHERE entity = 'ticket_type' "
    "GROUP BY action ORDER BY action"
)


async def types_of(database: Database, park: Park) -> dict[str, TicketTypeInfo]:
    catalog = await database.unit(park.tenant_id)(current_catalog)
    return {kind: catalog.types[type_id] for kind, type_id in park.types.items()}


async def test_a_copied_park_is_like_one_that_was_made(database: Database) -> None:
    parks._first.clear()
    made, copied = [await make_park(database, code=f"p{ids.new_id().hex[-10:]}") for _ in range(2)]
    assert len(parks._first) == 1
    assert not {*made.types.values()} & {*copied.types.values()}
    for kind, one in (await types_of(database, made)).items():
        other = (await types_of(database, copied))[kind]
        pools = {made.gate_pool: copied.gate_pool, made.ride_pool: copied.ride_pool}
        draws = tuple(replace(draw, pool_id=pools[draw.pool_id]) for draw in one.draws)
        own = {"id": copied.types[kind], "site_id": copied.site_id, "draws": draws}
        assert other == replace(one, **own)  # type: ignore[arg-type]

    async def audited(session: Session) -> list[tuple[str, int]]:
        return [(row[0], row[1]) for row in await session.execute(text(AUDITED))]

    counts = [await database.unit(park.tenant_id)(audited) for park in (made, copied)]
    assert counts[0] == counts[1]
    assert len(counts[0]) == 3
