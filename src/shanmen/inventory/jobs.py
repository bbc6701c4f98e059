"""Work that no request waits for."""

import logging

from shanmen.catalog.service import raise_version
from shanmen.db.session import Session
from shanmen.inventory.queries import pools
from shanmen.inventory.service.materialize import refresh
from shanmen.sites import queries as sites

log = logging.getLogger(__name__)


async def extend_slots(session: Session) -> None:
    """Make the slots of the days that come on sale, for all pools of the tenant's sites."""
    await raise_version(session)
    everything = [
        pool
        for site in await sites.site_contexts(session)
        for pool in await pools(session, site_id=site.site_id)
    ]
    changes = await refresh(session, pool_ids=[pool.id for pool in everything])
    if not changes.nothing:
        log.info("slots extended", extra={"slots": changes.counts()})
