"""The demo's tenants: made at the first start, found at every other.

The first start answers within seconds, so here is only what a visitor sees: the parks, what they
sell, and the slots of the days ahead. The past is `history`'s.
"""

import asyncio
import contextlib
from datetime import timedelta

from shanmen.catalog.schemas import LocalText
from shanmen.db.session import Actor, Database, Session
from shanmen.demo.build import TIMEZONE, Built, ParkSpec, build
from shanmen.demo.guzhen import GUZHEN
from shanmen.demo.yunling import YUNLING
from shanmen.inventory.queries import slots_between
from shanmen.inventory.service.slots import edit_slot
from shanmen.kit import clock
from shanmen.sites import queries as sites
from shanmen.sites.errors import CodeTaken
from shanmen.sites.passwords import Passwords
from shanmen.sites.rules import check_password

PARKS = (YUNLING, GUZHEN)
DEMO = Actor("system", label="demo")
CLOSED_AFTER_DAYS = 2


async def ensure_parks(database: Database) -> bool:
    """Make what is missing of the demo's parks, each in one transaction; True if it made any.

    Running it again, or in two processes at once, makes nothing twice: the second finds the park,
    or meets its code taken.
    """
    known = await database.unit(None)(_slugs)
    missing = [spec for spec in PARKS if spec.slug not in known]
    if not missing:
        return False
    hashes = await _hashes(missing)
    made = False
    for spec in missing:
        # Whoever was there first has made all of it: a park is one transaction.
        with contextlib.suppress(CodeTaken):
            await database.unit(None, actor=DEMO)(_make, spec=spec, password_hash=hashes[spec.code])
            made = True
    return made


async def _slugs(session: Session) -> set[str]:
    return {address.slug for address in await sites.public_sites(session)}


async def _hashes(specs: list[ParkSpec]) -> dict[str, str]:
    """One hash for each park: its staff have the same password, so that one is easily told."""
    passwords = Passwords()
    try:
        found = await asyncio.gather(*(passwords.hash(s.logins[0].password) for s in specs))
    finally:
        passwords.close()
    return {spec.code: one for spec, one in zip(specs, found, strict=True)}


async def _make(session: Session, *, spec: ParkSpec, password_hash: str) -> None:
    for login in spec.logins:
        check_password(login.password, login=login.local)
    built = await build(
        session, spec=spec, password_hash=password_hash, today=clock.today(TIMEZONE)
    )
    if "cableway" in built.pools:
        await _close_a_ride(session, built)


async def _close_a_ride(session: Session, built: Built) -> None:
    """A slot that staff have closed, so that the calendar shows what that looks like."""
    day = clock.today(TIMEZONE) + timedelta(days=CLOSED_AFTER_DAYS)
    slots = await slots_between(session, pool_ids=[built.pools["cableway"]], first=day, last=day)
    await edit_slot(
        session,
        slot_id=slots[-1].id,
        status="closed",
        note=LocalText(
            zh="索道例行检修，末班提前一小时。",
            en="Routine inspection: the last ride is an hour earlier.",
        ),
        reason="例行检修",
    )
