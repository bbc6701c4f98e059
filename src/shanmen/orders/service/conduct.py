"""Visits that nobody came to, and documents that may therefore not book for a while.

A nightly job does three things for a tenant, each set-wise and each the same however often it runs:
it records tickets whose time has passed and that nobody entered with, takes back what has turned
out wrong since (a gate that was cut off has reported, the money was paid back), and works out anew
who is restricted. It looks back over everything since it last ran, and over `REVIEW_DAYS` more.

What is kept is the blind index of the document, not the document, and only while it can matter.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from shanmen.catalog.queries import current_catalog
from shanmen.catalog.rules import Catalog, NoShowRule, TicketTypeInfo
from shanmen.db.pipeline import Statement, array, columns, run
from shanmen.db.session import Session
from shanmen.kit import clock, ids
from shanmen.sites.queries import site_contexts

REVIEW_DAYS = 30
"""For so long an entry that becomes known late still undoes a no-show."""
GRACE = timedelta(hours=6)
"""Gates have so long after a ticket's last minute to tell who entered with it."""

BEGIN = """
INSERT INTO no_show_progress (tenant_id, ticket_type_id, since_day, until_day)
SELECT %s, t.id, t.since, t.since FROM unnest(%s::uuid[], %s::date[]) AS t(id, since)
ON CONFLICT DO NOTHING
"""
END = "DELETE FROM no_show_progress WHERE tenant_id = %s AND NOT ticket_type_id = ANY(%s::uuid[])"
FORGET = """
DELETE FROM no_show
WHERE tenant_id = %s AND (visit_day < %s OR NOT ticket_type_id = ANY(%s::uuid[]))
"""
TAKE_BACK = """
DELETE FROM no_show USING ticket, slot
WHERE no_show.tenant_id = %s AND no_show.recorded_at >= %s
  AND ticket.tenant_id = no_show.tenant_id AND ticket.id = no_show.ticket_id
  AND slot.tenant_id = no_show.tenant_id AND slot.id = ticket.slot_id
  AND (ticket.persons_entered > 0 OR ticket.status <> 'valid' OR slot.status <> 'open')
"""
# A day on which nobody at all entered says nothing about visitors: the site was closed, does not
# scan, or its gates have not reported. Neither does a slot that was closed.
RECORD = """
WITH missed AS MATERIALIZED (
    SELECT ticket.id, ticket.site_id, ticket.ticket_type_id, ticket.visit_day
    FROM no_show_progress AS p
    JOIN ticket_type AS k ON k.tenant_id = p.tenant_id AND k.id = p.ticket_type_id
    JOIN ticket ON ticket.tenant_id = p.tenant_id AND ticket.site_id = k.site_id
         AND ticket.ticket_type_id = p.ticket_type_id AND ticket.visit_day >= p.since_day
         AND ticket.valid_until >= p.until_day - %(review)s AND ticket.valid_until < %(before)s
    JOIN slot ON slot.tenant_id = p.tenant_id AND slot.id = ticket.slot_id
    WHERE p.tenant_id = %(tenant)s AND slot.status = 'open'
      AND ticket.status = 'valid' AND ticket.persons_entered = 0
), day AS MATERIALIZED (
    SELECT d.site_id, d.visit_day FROM (SELECT DISTINCT site_id, visit_day FROM missed) AS d
    WHERE EXISTS (
        SELECT FROM ticket AS e
        WHERE e.tenant_id = %(tenant)s AND e.site_id = d.site_id AND e.visit_day = d.visit_day
          AND e.persons_entered > 0)
)
INSERT INTO no_show
    (tenant_id, ticket_id, seq, ticket_type_id, document_index, visit_day, recorded_at)
SELECT holder.tenant_id, missed.id, holder.seq, missed.ticket_type_id, holder.document_index,
       missed.visit_day, %(now)s
FROM missed JOIN day USING (site_id, visit_day)
JOIN holder ON holder.tenant_id = %(tenant)s AND holder.ticket_id = missed.id AND holder.active
ON CONFLICT DO NOTHING
RETURNING document_index
"""
ADVANCE = "UPDATE no_show_progress SET until_day = %s WHERE tenant_id = %s AND until_day < %s"
# Several tickets of one day are one no-show. Of the days that were one too many, the one whose ban
# reaches furthest counts.
FOUND = """
WITH kind AS (SELECT * FROM unnest(%(types)s::uuid[], %(scopes)s::text[]) AS k(id, scope)),
rule AS (
    SELECT * FROM unnest(%(rule_scopes)s::text[], %(counts)s::int[], %(within)s::int[],
        %(bans)s::int[]) AS r(scope, count, within, ban)
), missed AS (
    SELECT DISTINCT ON (no_show.document_index, kind.scope, no_show.visit_day)
           no_show.document_index, kind.scope, no_show.visit_day, no_show.ticket_id, no_show.seq
    FROM no_show JOIN kind ON kind.id = no_show.ticket_type_id
    WHERE no_show.tenant_id = %(tenant)s AND no_show.forgiven_at IS NULL
      AND no_show.visit_day >= %(earliest)s
      AND no_show.document_index IN (
        SELECT document_index FROM no_show
        WHERE tenant_id = %(tenant)s AND visit_day >= %(recent)s AND forgiven_at IS NULL)
    ORDER BY no_show.document_index, kind.scope, no_show.visit_day, no_show.ticket_id DESC
), numbered AS (
    SELECT missed.*, rule.within, rule.ban,
           lag(visit_day, rule.count - 1) OVER (
               PARTITION BY document_index, scope, rule.count, rule.within, rule.ban
               ORDER BY visit_day) AS first_day
    FROM missed JOIN rule USING (scope)
), found AS (
    SELECT DISTINCT ON (document_index, scope) *
    FROM numbered WHERE visit_day - first_day < within AND visit_day + ban >= %(today)s
    ORDER BY document_index, scope, visit_day + ban DESC, visit_day DESC
)
SELECT document_index, scope,
       (SELECT count(*) FROM missed
        WHERE missed.document_index = found.document_index AND missed.scope = found.scope
          AND missed.visit_day BETWEEN found.visit_day - found.within + 1 AND found.visit_day),
       visit_day, visit_day + ban, ticket_id, seq
FROM found ORDER BY document_index, scope
"""
RESTRICT = """
INSERT INTO restriction
    (tenant_id, id, document_index, scope, no_shows, last_day, until_day, ticket_id, seq)
SELECT %s, t.* FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::int[], %s::date[], %s::date[],
    %s::uuid[], %s::smallint[]) AS t
ON CONFLICT (tenant_id, document_index, scope) DO UPDATE
SET no_shows = excluded.no_shows, last_day = excluded.last_day, until_day = excluded.until_day,
    ticket_id = excluded.ticket_id, seq = excluded.seq, lifted_at = NULL, lifted_by = '',
    reason = ''
WHERE restriction.lifted_at IS NULL OR excluded.last_day > restriction.last_day
"""
RELEASE = """
DELETE FROM restriction
WHERE tenant_id = %s AND (until_day < %s OR (lifted_at IS NULL AND NOT EXISTS (
    SELECT FROM unnest(%s::bigint[], %s::text[]) AS f(document_index, scope)
    WHERE f.document_index = restriction.document_index AND f.scope = restriction.scope)))
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """The ticket types whose no-shows count, and the rules of each scope."""

    kinds: tuple[TicketTypeInfo, ...]
    rules: tuple[tuple[str, NoShowRule], ...]

    @property
    def longest_ban(self) -> int:
        """Days for which a no-show can restrict at most."""
        return max((rule.ban_days for _, rule in self.rules), default=0)

    @property
    def horizon(self) -> int:
        """Days for which a no-show can matter."""
        return self.longest_ban + max((rule.within_days for _, rule in self.rules), default=0)


def watched(catalog: Catalog) -> Watched:
    """What a catalog says about no-shows.

    In a group each rule of its types holds for the group, so the strictest does.
    """
    kinds = sorted(catalog.types.values(), key=lambda kind: kind.id)
    rules = {(k.scope, k.limits.no_shows): None for k in kinds if k.limits.no_shows.enabled}
    scopes = {scope for scope, _ in rules}
    return Watched(tuple(kind for kind in kinds if kind.scope in scopes), tuple(rules))


async def record_no_shows(session: Session) -> int:
    """Record the no-shows that are known by now; returns how many persons there were.

    A ticket type's no-shows count from the day before the first run that finds its rule switched
    on, which is the day on which it was switched on.
    """
    tenant, now = session.tenant_id, clock.now()
    found = watched(await current_catalog(session))
    today = {site.site_id: clock.today(site.timezone) for site in await site_contexts(session)}
    types = [kind.id for kind in found.kinds]
    since = [today[kind.site_id] - timedelta(days=1) for kind in found.kinds]
    before = now - GRACE
    *_, recorded, _ = await run(
        session,
        [
            Statement(BEGIN, (tenant, array(types), array(since))),
            Statement(END, (tenant, array(types))),
            Statement(FORGET, (tenant, _ago(now, found.horizon), array(types))),
            Statement(TAKE_BACK, (tenant, now - timedelta(days=REVIEW_DAYS))),
            Statement(
                RECORD,
                {"tenant": tenant, "review": REVIEW_DAYS, "before": before, "now": now},
            ),
            Statement(ADVANCE, (before.date(), tenant, before.date())),
        ],
    )
    return len(recorded)


async def refresh_restrictions(session: Session) -> int:
    """Work out anew who may not book; returns how many documents there are.

    A restriction that was lifted stays lifted until there is a later no-show.
    """
    tenant, today = session.tenant_id, clock.now().date()
    found = watched(await current_catalog(session))
    rules = [(scope, r.count, r.within_days, r.ban_days) for scope, r in found.rules]
    rule_scopes, counts, within, bans = columns(rules, 4)
    [rows] = await run(
        session,
        [
            Statement(
                FOUND,
                {
                    "tenant": tenant,
                    "types": array(kind.id for kind in found.kinds),
                    "scopes": array(kind.scope for kind in found.kinds),
                    "rule_scopes": rule_scopes,
                    "counts": counts,
                    "within": within,
                    "bans": bans,
                    "earliest": today - timedelta(days=found.horizon),
                    "recent": today - timedelta(days=found.longest_ban),
                    "today": today,
                },
            )
        ],
    )
    await run(
        session,
        [
            Statement(RESTRICT, (tenant, *columns([(ids.new_id(), *row) for row in rows], 8))),
            Statement(
                RELEASE,
                (tenant, today, array(row[0] for row in rows), array(row[1] for row in rows)),
            ),
        ],
    )
    return len(rows)


def types_of(catalog: Catalog, scope: str) -> Collection[UUID]:
    """The ticket types that count in a scope."""
    return [kind.id for kind in catalog.types.values() if kind.scope == scope]


def _ago(now: datetime, days: int) -> date:
    return now.date() - timedelta(days=days)
