"""How gates are, and what the console wants of them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from shanmen.admission.protocol import Command, Health, HealthAnswer
from shanmen.admission.service.devices import Device
from shanmen.admission.service.zones import room_of
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import Session
from shanmen.kit import clock

COMMANDS_AT_ONCE = 50
COMMAND_LASTS = timedelta(hours=24)
"""What a gate did not hear of for so long is not wanted any more."""

SEEN = """
UPDATE gate_device SET last_seen_at = %(now)s, version = %(version)s, health = %(health)s::jsonb,
    share = %(room)s, told_count = %(count)s,
    heard_at = greatest(heard_at, least(to_timestamp(%(heard_ms)s::bigint / 1000.0), %(now)s))
WHERE tenant_id = %(tenant)s AND id = %(device)s AND told_count <= %(count)s
"""
DONE = """
UPDATE gate_command SET done_at = %s
WHERE tenant_id = %s AND device_id = %s AND id = ANY(%s) AND done_at IS NULL
"""
WANTED = """
SELECT id, kind, lane_id, text FROM gate_command
WHERE tenant_id = %s AND device_id = %s AND done_at IS NULL AND created_at > %s
ORDER BY created_at, id LIMIT %s
"""


async def hear(session: Session, *, device: Device, told: Health, count: int) -> HealthAnswer:
    """Note how a gate is, and answer with what it has not done yet.

    `count` is the request's: of one that was overtaken by a later one nothing is noted.
    """
    now, now_ms, tenant = clock.now(), clock.unix_ns() // 1_000_000, session.tenant_id
    health = msgspec.json.encode(msgspec.structs.replace(told, done=[])).decode()
    *_, wanted = await run(
        session,
        [
            Statement(
                SEEN,
                {
                    "now": now,
                    "version": told.version[:40],
                    "health": health,
                    "room": room_of(told.room),
                    "count": count,
                    "heard_ms": min(told.heard_at, now_ms) if told.heard_at > 0 else None,
                    "tenant": tenant,
                    "device": device.id,
                },
            ),
            Statement(DONE, (now, tenant, device.id, list(told.done))),
            Statement(WANTED, (tenant, device.id, now - COMMAND_LASTS, COMMANDS_AT_ONCE)),
        ],
    )
    return HealthAnswer(server_time=now_ms, commands=[_command(row) for row in wanted])


def _command(row: Sequence[Any]) -> Command:
    key: UUID = row[0]
    return Command(id=key, kind=row[1], lane_id=row[2], text=row[3])
