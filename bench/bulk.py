"""Many orders with all their rows, written by SQL as the owner, because placing them takes days.

They look as sold, paid and used orders do: two holders and tickets each, a payment with its notice,
transitions, a transfer, a remembered request, scans. Personal data is encrypted for `PEOPLE`
persons, whose rows repeat; each of them is found by name, telephone and document, all others have
blind indexes that nobody looks for.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import msgspec
from psycopg import sql
from rich.console import Console
from rich.progress import track

from bench.park import (
    PRICE_FEN,
    ZONE,
    Park,
    Place,
    Window,
    id_number,
    keyring_of,
    make_park,
    name,
    phone,
    whole_day,
)
from bench.rig import Connection, Rig
from shanmen.kit import clock
from shanmen.kit.crypto import Keyring
from shanmen.tickets.gate import document_index

PEOPLE = 20_000
DAYS_BACK = 330
DAYS_AHEAD = 30
CONSOLE = Console(stderr=True)
AT_ONCE = 100_000
CAPACITY = 1_000_000
KEEP = "bench_rows"
MADE_LIKE_THIS = "1"
"""Counts changes of this file and of `bench.park` after which a kept data set is another."""

PREPARE = """
CREATE TABLE IF NOT EXISTS bench_fact (name text PRIMARY KEY, value jsonb NOT NULL);
CREATE TABLE IF NOT EXISTS bench_person (
    p int PRIMARY KEY, phone bytea, phone_index bigint, name bytea, name_index bigint,
    document bytea, document_index bigint
);
CREATE OR REPLACE FUNCTION bench_id(kind int, n bigint, at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$ SELECT (
    lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
    || lpad(to_hex(kind), 3, '0') || '8' || lpad(to_hex(n), 15, '0')
)::uuid $$;
"""
ORDERS = """
CREATE TEMP TABLE bulk_order ON COMMIT DROP AS
SELECT n, bench_id(1, n, at) AS id, at, s.id AS slot_id, s.day, s.starts_at, s.ends_at,
       to_char(s.day, 'YYMMDD') || lpad(upper(to_hex(n)), 10, '0') AS number,
       s.day < %(today)s AS past,
       CASE WHEN n %% %(step)s = 0 THEN (n / %(step)s) %% %(people)s ELSE n %% %(people)s END AS p,
       n %% %(step)s = 0 AND n / %(step)s < %(people)s AS known
FROM (
    SELECT n, 1 + (n - %(first)s) * (%(slots)s) / %(count)s AS place
    -- Small numbers arrive as small integers, whose sum might not be one.
    FROM generate_series(
        %(first)s::bigint + %(offset)s, %(first)s::bigint + %(offset)s + %(size)s - 1
    ) AS n
) AS g
JOIN (
    SELECT row_number() OVER (ORDER BY starts_at) AS place, slot.* FROM slot
    WHERE tenant_id = %(tenant)s AND pool_id = %(pool)s
      AND day BETWEEN %(first_day)s AND %(last_day)s
) AS s USING (place)
CROSS JOIN LATERAL (
    SELECT least(s.starts_at, %(now)s) - interval '3 days' + n %% 86400 * interval '1 second' AS at
) AS a
"""
TICKETS = """
CREATE TEMP TABLE bulk_ticket ON COMMIT DROP AS
SELECT o.*, k, bench_id(2, n * 2 + k, at) AS ticket_id, (o.p * 2 + k) %% %(people)s AS q
FROM bulk_order AS o CROSS JOIN generate_series(0, 1) AS k
"""
ROWS = {
    "orders": """
INSERT INTO orders (tenant_id, id, number, site_id, channel, status, visit_day, phone, phone_index,
    locale, amount_fen, persons, lines, placed_by, created_at, hold_expires_at, paid_at)
SELECT %(tenant)s, o.id, o.number, %(site)s, CASE WHEN o.n %% 3 = 0 THEN 'web' ELSE 'ota' END,
    CASE WHEN o.past THEN 'used' ELSE 'issued' END, o.day, p.phone,
    CASE WHEN o.known THEN p.phone_index ELSE hashint8extended(o.n, 1) END, 'zh-CN',
    2 * %(price)s, 2, l.lines, 'bench', o.at, o.at + interval '15 minutes',
    o.at + interval '1 minute'
FROM bulk_order AS o JOIN bench_person AS p USING (p)
JOIN (
    SELECT id, jsonb_agg(jsonb_build_object(
        'ticket_id', ticket_id, 'ticket_type_id', %(type)s::text,
        'draws', jsonb_build_array(jsonb_build_array(slot_id, 1)), 'price_fen', %(price)s,
        'zones', 1, 'visit_day', day, 'valid_from', to_char(starts_at AT TIME ZONE 'UTC', %(iso)s),
        'valid_until', to_char(ends_at AT TIME ZONE 'UTC', %(iso)s), 'refund', %(refund)s::jsonb
    ) ORDER BY k) AS lines
    FROM bulk_ticket GROUP BY id
) AS l USING (id)
""",
    "holder": """
INSERT INTO holder (tenant_id, ticket_id, seq, order_id, ticket_type_id, slot_id, visit_day, name,
    name_index, document_kind, document, document_index)
SELECT %(tenant)s, t.ticket_id, 0, t.id, %(type)s, t.slot_id, t.day, p.name, p.name_index,
    'id_card', p.document,
    CASE WHEN t.known THEN p.document_index ELSE hashint8extended(t.n * 2 + t.k, 2) END
FROM bulk_ticket AS t JOIN bench_person AS p ON p.p = t.q
""",
    "ticket": """
INSERT INTO ticket (tenant_id, id, order_id, order_number, seq, site_id, ticket_type_id, slot_id,
    visit_day, valid_from, valid_until, party_size, entries, zones, flags, status, persons_entered,
    issued_at, first_entered_at)
SELECT %(tenant)s, ticket_id, id, number, k, %(site)s, %(type)s, slot_id, day, starts_at, ends_at,
    1, 1, 1, 0, CASE WHEN past THEN 'used' ELSE 'valid' END, past::int, at + interval '1 minute',
    CASE WHEN past THEN starts_at + interval '30 minutes' END
FROM bulk_ticket
""",
    "payment": """
INSERT INTO payment (tenant_id, id, order_id, order_number, provider, amount_fen, status,
    provider_ref, pay_url, created_at, expires_at, paid_at)
SELECT %(tenant)s, bench_id(3, n, at), id, number, 'sandbox', 2 * %(price)s, 'paid', 'T' || n,
    'https://pay.example/' || n, at, at + interval '15 minutes', at + interval '1 minute'
FROM bulk_order
""",
    "payment_notice": """
INSERT INTO payment_notice (tenant_id, id, provider, event_id, kind, payment_id, amount_fen,
    received_at, outcome)
SELECT %(tenant)s, bench_id(4, n, at), 'sandbox', 'E' || n, 'paid', bench_id(3, n, at),
    2 * %(price)s, at + interval '1 minute', 'issued'
FROM bulk_order
""",
    "order_event": """
INSERT INTO order_event (tenant_id, id, order_id, at, from_status, to_status, actor_kind,
    actor_label, reason)
SELECT %(tenant)s, bench_id(5 + e, n, at), id, at + interval '1 minute',
    (ARRAY['held', 'paid', 'issued'])[e + 1], (ARRAY['paid', 'issued', 'used'])[e + 1],
    (ARRAY['provider', 'provider', 'system'])[e + 1], 'callback', ''
FROM bulk_order CROSS JOIN generate_series(0, 2) AS e WHERE past OR e < 2
""",
    "ledger_transfer": """
INSERT INTO ledger_transfer (tenant_id, id, site_id, at, business_day, kind, debit, credit,
    amount_fen, order_id, reference)
SELECT %(tenant)s, bench_id(9, n, at), %(site)s, at, at::date, 'payment', 'assets:payments:sandbox',
    'liabilities:prepaid-tickets', 2 * %(price)s, id, bench_id(3, n, at)
FROM bulk_order
""",
    "idempotency": """
INSERT INTO idempotency (tenant_id, key_hash, request_hash, status, answer, created_at)
SELECT %(tenant)s, decode(md5('k' || n), 'hex'), decode(md5('r' || n), 'hex'), 201,
    convert_to('{"id":"' || id || '","number":"' || number || '","amount_fen":16000,"persons":2,'
    '"hold_expires_at":"2026-01-01T00:00:00.000000Z"}', 'UTF8'), at
FROM bulk_order
""",
    "scan": """
INSERT INTO scan (tenant_id, id, at, day, site_id, entrance_id, lane_id, method, ticket_id,
    ticket_type_id, slot_id, outcome, persons, staff_label)
SELECT %(tenant)s, bench_id(10, n * 2 + k, starts_at), starts_at + interval '30 minutes', day,
    %(site)s, %(entrance)s, %(lane)s, 'qr', ticket_id, %(type)s, slot_id, 'admitted', 1, 'bench'
FROM bulk_ticket WHERE past
""",
}
STOCK = """
UPDATE stock SET sold = stock.sold + d.places FROM (
    SELECT slot_id, count(*) AS places FROM bulk_ticket GROUP BY slot_id
) AS d WHERE stock.tenant_id = %(tenant)s AND stock.id = d.slot_id
"""
ACCOUNTS = """
INSERT INTO ledger_account (tenant_id, code)
SELECT %(tenant)s, unnest(ARRAY['assets:payments:sandbox', 'liabilities:prepaid-tickets'])
ON CONFLICT DO NOTHING
"""
SUMS = """
UPDATE ledger_account AS a SET
    debits_fen = debits_fen + CASE WHEN code LIKE 'assets%%' THEN %(sum)s ELSE 0 END,
    credits_fen = credits_fen + CASE WHEN code LIKE 'liab%%' THEN %(sum)s ELSE 0 END
WHERE tenant_id = %(tenant)s
"""
SECONDARY = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
WHERE c.relname = ANY(%s) AND NOT i.indisprimary AND NOT i.indisunique
"""


def write_people(connection: Connection, keyring: Keyring) -> None:
    """Encrypt the persons whose rows repeat."""
    connection.execute("TRUNCATE bench_person")
    with connection.cursor() as cursor, cursor.copy("COPY bench_person FROM STDIN") as copy:
        for p in range(PEOPLE):
            number = "+86" + phone(p)
            called, document = name(p), id_number(p)
            copy.write_row(
                (
                    p,
                    keyring.encrypt(number, field="orders.phone"),
                    keyring.blind_index(number, purpose="phone"),
                    keyring.encrypt(called, field="holder.name"),
                    keyring.blind_index(called, purpose="name"),
                    keyring.encrypt(document, field="holder.document"),
                    document_index(keyring, "id_card", document),
                )
            )


def write_orders(
    connection: Connection, place: Place, *, count: int, first: int, today_only: bool
) -> None:
    """Write `count` orders, numbered from `first`; over all the pool's days, or for today alone."""
    today = clock.today(ZONE)
    params = {
        "tenant": place.tenant_id, "site": place.site_id, "pool": place.pool_id,
        "type": place.type_id, "entrance": place.entrance_id, "lane": place.lane_id,
        "price": PRICE_FEN, "today": today, "now": clock.now(), "people": PEOPLE,
        "first": first, "count": count, "step": max(1, count // PEOPLE),
        "first_day": today if today_only else today - timedelta(days=DAYS_BACK),
        "last_day": today if today_only else today + timedelta(days=DAYS_AHEAD),
        "iso": 'YYYY-MM-DD"T"HH24:MI:SS"Z"',
        "refund": '{"steps": [{"fee_percent": 10, "hours_before": 0}]}',
    }  # fmt: skip
    slots = connection.execute(
        "SELECT count(*) FROM slot WHERE tenant_id = %(tenant)s AND pool_id = %(pool)s "
        "AND day BETWEEN %(first_day)s AND %(last_day)s",
        params,
    ).fetchone()
    params["slots"] = slots[0] if slots else 0
    connection.execute(ACCOUNTS, params)
    chunks = range(0, count, AT_ONCE)
    for offset in track(chunks, f"{count:,} orders", console=CONSOLE, disable=len(chunks) == 1):
        size = min(AT_ONCE, count - offset)
        with connection.transaction():
            connection.execute("SET LOCAL synchronous_commit = off")
            # Foreign keys hold by how the rows are made.
            connection.execute("SET LOCAL session_replication_role = replica")
            chunk = params | {"offset": offset, "size": size, "sum": size * 2 * PRICE_FEN}
            connection.execute(ORDERS, chunk)
            connection.execute(TICKETS, chunk)
            for statement in (*ROWS.values(), STOCK, SUMS):
                connection.execute(statement, chunk)


@contextmanager
def without_secondary_indexes(connection: Connection) -> Iterator[None]:
    """Build the indexes afterwards: it takes a fraction of keeping them up to date."""
    found = connection.execute(SECONDARY, (list(ROWS),)).fetchall()
    for index, _ in found:
        connection.execute(sql.SQL("DROP INDEX ") + sql.SQL(index))
    yield
    connection.execute("SET maintenance_work_mem = '512MB'")
    for _, definition in found:
        connection.execute(definition)


class Rows:
    """A data set that is kept: its database, and its park.

    Args:
        rig: where it is.
        count: how many orders.
    """

    def __init__(self, rig: Rig, count: int) -> None:
        self.rig = rig
        self.count = count
        self.name = f"{KEEP}_{count}_{digest(rig)}"
        if not rig.exists(self.name):
            self._build()
        with rig.connect(self.name) as connection:
            self.park = msgspec.json.decode(self._fact(connection, "park"), type=Park)
            self._open_today(connection)

    def _build(self) -> None:
        making = f"{self.name}_making"
        self.rig.drop(making)
        self.rig.create(making)
        today = clock.today(ZONE)
        days = [whole_day(today + timedelta(days=n)) for n in range(-DAYS_BACK, DAYS_AHEAD + 1)]
        park = self.rig.inside(
            making, lambda database: make_park(database, slots=days, capacity=CAPACITY)
        )
        keyring = self.rig.inside(making, lambda database: keyring_of(database, park.tenant_id))
        with self.rig.connect(making) as connection:
            connection.execute(PREPARE)
            write_people(connection, keyring)
            with without_secondary_indexes(connection):
                write_orders(connection, park.site, count=self.count, first=0, today_only=False)
            self._keep(connection, "park", msgspec.json.encode(park))
            self._keep(connection, "next", msgspec.json.encode(self.count))
            connection.execute("VACUUM (ANALYZE, FREEZE)")
            connection.execute("CHECKPOINT")
        self.rig.rename(making, self.name)

    @staticmethod
    def _keep(connection: Connection, fact: str, value: bytes) -> None:
        connection.execute(
            "INSERT INTO bench_fact VALUES (%s, %s::jsonb) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (fact, value.decode()),
        )

    @staticmethod
    def _fact(connection: Connection, fact: str) -> str:
        row = connection.execute(
            "SELECT value::text FROM bench_fact WHERE name = %s", (fact,)
        ).fetchone()
        return str(row[0]) if row else "null"

    def _open_today(self, connection: Connection) -> None:
        """Give today and the days ahead slots, also where the set was built some days ago."""
        site = self.park.site
        today = clock.today(ZONE)
        have = {
            row[0]
            for row in connection.execute(
                "SELECT day FROM slot WHERE tenant_id = %s AND pool_id = %s",
                (self.park.tenant_id, site.pool_id),
            )
        }
        for n in range(DAYS_AHEAD + 1):
            day = today + timedelta(days=n)
            if day not in have:
                insert_slots(connection, site, [whole_day(day)], capacity=CAPACITY)

    def slot_of(self, days_ahead: int) -> UUID:
        """The slot of a day ahead."""
        with self.rig.connect(self.name) as connection:
            row = connection.execute(
                "SELECT id FROM slot WHERE tenant_id = %s AND pool_id = %s AND day = %s",
                (
                    self.park.tenant_id,
                    self.park.site.pool_id,
                    clock.today(ZONE) + timedelta(days=days_ahead),
                ),
            ).fetchone()
        if row is None:
            raise LookupError(days_ahead)
        found: UUID = row[0]
        return found

    def claim(self, count: int) -> int:
        """Numbers that no order of this data set has; returns the first."""
        with self.rig.connect(self.name) as connection:
            first: int = msgspec.json.decode(self._fact(connection, "next"))
            self._keep(connection, "next", msgspec.json.encode(first + count))
        return first

    def sell_for_today(self, count: int) -> int:
        """Write issued orders for today; returns the number of the first."""
        first = self.claim(count)
        with self.rig.connect(self.name) as connection:
            write_orders(connection, self.park.site, count=count, first=first, today_only=True)
        return first


def digest(rig: Rig) -> str:
    """Tells apart data sets of different schemas, and of different ways to fill them."""
    statements = (MADE_LIKE_THIS, PREPARE, ORDERS, TICKETS, *ROWS.values(), STOCK, SUMS)
    text = "\n".join([rig.schema(), *statements])
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def insert_slots(
    connection: Connection, place: Place, windows: list[Window], *, capacity: int
) -> None:
    """Add slots by SQL, for as many as the services would take minutes to make."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE new_slot (day date, starts time, ends time) ON COMMIT DROP"
        )
        with cursor.copy("COPY new_slot FROM STDIN") as copy:
            for window in windows:
                copy.write_row((window.day, window.starts, window.ends))
        cursor.execute(
            "WITH made AS (INSERT INTO slot (tenant_id, id, pool_id, day, starts, ends, starts_at, "
            "ends_at, status) SELECT %(tenant)s, gen_random_uuid(), %(pool)s, day, starts, ends, "
            "(day + starts) AT TIME ZONE %(zone)s, (day + ends) AT TIME ZONE %(zone)s, 'open' "
            "FROM new_slot RETURNING id, pool_id, day) "
            "INSERT INTO stock (tenant_id, id, slot_id, pool_id, day, scope, ref, capacity) "
            "SELECT %(tenant)s, id, id, pool_id, day, 'slot', '', %(capacity)s FROM made",
            {"tenant": place.tenant_id, "pool": place.pool_id, "zone": ZONE, "capacity": capacity},
        )
