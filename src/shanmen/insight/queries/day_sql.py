"""The statements of a day's figures. Each goes by an index that begins with the site and the day.

Parameters: ``tenant``, ``site``, ``day``, ``opens`` and ``closes`` (the instants at which the local
day begins and ends), ``recent`` (15 minutes ago).
"""

from typing import Final

ENTRANCES: Final = """
SELECT e.id, e.name, e.active, z.number, z.name
FROM entrance e JOIN zone z ON z.tenant_id = e.tenant_id AND z.id = e.zone_id
WHERE e.tenant_id = %(tenant)s AND e.site_id = %(site)s
ORDER BY z.number, e.number
"""

# The first zone is the park itself and the others lie within it: whoever rides the cableway has
# come in at a gate before. So a site's visitors are those of the entrances of its first zone, and
# its other zones are not added to them.
OUTER_ENTRANCES: Final = """(
    SELECT e.id FROM entrance e JOIN zone z ON z.tenant_id = e.tenant_id AND z.id = e.zone_id
    WHERE e.tenant_id = %(tenant)s AND e.site_id = %(site)s AND z.number = (
        SELECT min(first.number)
        FROM zone first JOIN entrance f ON f.tenant_id = first.tenant_id AND f.zone_id = first.id
        WHERE f.tenant_id = %(tenant)s AND f.site_id = %(site)s
    )
)"""

# The day's scans are read once and summed into cells; the figures by entrance, type, slot, quarter
# of an hour and reason are then sums of some hundred cells, so they cannot disagree. Only the first
# zone has quarters, because they tell when visitors came to the site.
SCANS: Final = f"""
WITH cell AS MATERIALIZED (
    SELECT entrance_id, ticket_type_id, slot_id,
        CASE WHEN entrance_id IN {OUTER_ENTRANCES}
            THEN date_bin('15 minutes', at, %(opens)s) END AS quarter,
        CASE WHEN outcome = 'refused' THEN reason END AS refusal,
        coalesce(sum(persons) FILTER (WHERE came), 0) AS entered,
        coalesce(sum(persons) FILTER (WHERE went), 0) AS gone,
        coalesce(sum(persons) FILTER (WHERE came AND at >= %(recent)s), 0) AS recent,
        count(*) FILTER (WHERE outcome = 'refused') AS refused
    FROM scan, LATERAL (
        SELECT direction = 'in' AND undone_at IS NULL AS came,
               direction = 'out' AND undone_at IS NULL AS went
    ) AS counted
    WHERE tenant_id = %(tenant)s AND site_id = %(site)s AND day = %(day)s
    GROUP BY 1, 2, 3, 4, 5
)
SELECT CASE WHEN grouping(entrance_id) = 0 THEN 'entrance'
            WHEN grouping(ticket_type_id) = 0 THEN 'type'
            WHEN grouping(slot_id) = 0 THEN 'slot'
            WHEN grouping(quarter) = 0 THEN 'quarter' ELSE 'refusal' END,
    coalesce(entrance_id, ticket_type_id, slot_id), quarter, refusal,
    sum(entered)::bigint, sum(gone)::bigint, sum(recent)::bigint, sum(refused)::bigint
FROM cell
GROUP BY GROUPING SETS ((entrance_id), (ticket_type_id), (slot_id), (quarter), (refusal))
"""  # noqa: S608 - our own text.

ENTRIES: Final = f"""
SELECT date_bin('15 minutes', at, %(opens)s), sum(persons)::bigint
FROM scan
WHERE tenant_id = %(tenant)s AND site_id = %(site)s AND day = %(day)s AND outcome = 'admitted'
    AND direction = 'in' AND undone_at IS NULL AND entrance_id IN {OUTER_ENTRANCES}
GROUP BY 1
"""  # noqa: S608 - our own text.

SLOTS: Final = """
SELECT s.id, s.pool_id, p.name, s.starts, s.ends, s.starts_at, s.ends_at, s.status,
    k.capacity, k.held, k.sold,
    EXISTS (SELECT FROM ticket_type_draw d
            WHERE d.tenant_id = p.tenant_id AND d.pool_id = p.id AND d.position = 0)
FROM pool p
JOIN slot s ON s.tenant_id = p.tenant_id AND s.pool_id = p.id AND s.day = %(day)s
JOIN stock k ON k.tenant_id = s.tenant_id AND k.id = s.id
WHERE p.tenant_id = %(tenant)s AND p.site_id = %(site)s
ORDER BY p.position, p.id, s.starts
"""

AHEAD: Final = """
SELECT p.id, p.name, s.day, sum(k.capacity)::bigint, sum(k.held)::bigint, sum(k.sold)::bigint
FROM pool p
JOIN slot s ON s.tenant_id = p.tenant_id AND s.pool_id = p.id
    AND s.day BETWEEN %(day)s AND %(last)s AND s.status = 'open'
JOIN stock k ON k.tenant_id = s.tenant_id AND k.id = s.id
WHERE p.tenant_id = %(tenant)s AND p.site_id = %(site)s
GROUP BY p.id, p.name, p.position, s.day
ORDER BY p.position, p.id, s.day
"""

TYPES: Final = """
SELECT y.id, y.name, y.on_sale, coalesce(t.tickets, 0), coalesce(t.persons, 0)
FROM ticket_type y
LEFT JOIN (
    SELECT ticket_type_id, count(*) AS tickets, sum(party_size)::bigint AS persons
    FROM ticket
    WHERE tenant_id = %(tenant)s AND site_id = %(site)s AND visit_day = %(day)s
        AND status <> 'refunded'
    GROUP BY 1
) AS t ON t.ticket_type_id = y.id
WHERE y.tenant_id = %(tenant)s AND y.site_id = %(site)s
ORDER BY y.position, y.number
"""

SALES: Final = """
SELECT count(*), coalesce(sum(persons), 0)::bigint
FROM orders
WHERE tenant_id = %(tenant)s AND site_id = %(site)s
    AND paid_at >= %(opens)s AND paid_at < %(closes)s
"""

SITES: Final = "SELECT id, timezone FROM site WHERE tenant_id = %(tenant)s"

MONEY: Final = """
SELECT t.kind, sum(t.amount_fen)::bigint
FROM ledger_transfer t
WHERE t.tenant_id = %(tenant)s AND t.site_id = %(site)s AND t.business_day = %(day)s
    AND t.kind IN ('payment', 'refund')
GROUP BY 1
"""
