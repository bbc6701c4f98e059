"""API keys of integrators: made, used, revoked.

A key reads ``smk_<tenant>_<secret>``. Only a digest of the secret is kept; the key itself is
shown once, when it is made.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select, update

from shanmen.audit import service as audit
from shanmen.db.session import Session
from shanmen.kit import clock, ids
from shanmen.sites import errors, queries, rules
from shanmen.sites.models import ApiKey
from shanmen.sites.queries import ApiCaller, ApiKeyView
from shanmen.sites.service.auth import digest

PREFIX = "smk"
NAME_LENGTH = 60
_TENANT_DIGITS = 9
_HINT = 4


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; `secret` is the whole key and cannot be shown again."""

    key: ApiKeyView
    secret: str


def parse_key(text: str) -> tuple[int, bytes] | None:
    """Tenant and digest of a key, or None when it cannot be one."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != PREFIX or not parts[2]:  # noqa: PLR2004 - prefix, tenant, secret
        return None
    tenant = parts[1]
    if not tenant.isascii() or not tenant.isdigit() or len(tenant) > _TENANT_DIGITS:
        return None
    return int(tenant), digest(parts[2])


async def create_key(
    session: Session,
    *,
    name: str,
    channel: str,
    permissions: Iterable[str],
    granted_by: Collection[str] | None = None,
) -> NewKey:
    """Make a key for an integrator who sells as `channel`.

    `granted_by` are the permissions of whoever makes it; None is the system.

    Raises:
        NameMissing, BadCode, UnknownPermission, MayNotGrant: naming the field.
    """
    label = name.strip()
    if not label or len(label) > NAME_LENGTH:
        raise errors.NameMissing(field="name", limit=NAME_LENGTH)
    wanted = rules.role_permissions("", permissions)
    rules.check_grant(granted_by, wanted, field="permissions")
    secret = ids.token(32)
    row = ApiKey(
        tenant_id=session.tenant_id,
        id=ids.new_id(),
        name=label,
        hint=secret[-_HINT:],
        secret_hash=digest(secret),
        channel=rules.clean_code(channel, field="channel"),
        permissions=wanted,
        created_at=clock.now(),
        created_by=session.actor.label,
    )
    session.add(row)
    await session.flush()
    view = queries.api_key_view(row)
    await audit.record(
        session,
        action="sites.api_key_created",
        entity="api_key",
        entity_id=row.id,
        after={"name": view.name, "channel": view.channel, "permissions": wanted},
    )
    return NewKey(view, f"{PREFIX}_{session.tenant_id}_{secret}")


async def revoke_key(session: Session, *, key_id: UUID) -> ApiKeyView:
    """End a key; a second time changes nothing. Raises ApiKeyUnknown."""
    row = await session.get(ApiKey, (session.tenant_id, key_id), with_for_update=True)
    if row is None:
        raise errors.ApiKeyUnknown
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        await session.flush()
        await audit.record(
            session,
            action="sites.api_key_revoked",
            entity="api_key",
            entity_id=key_id,
            before={"revoked_at": None},
            after={"revoked_at": row.revoked_at},
        )
    return queries.api_key_view(row)


async def use_key(session: Session, *, digest: bytes) -> ApiCaller | None:
    """Whose living key this is; its use is written down at most once a minute."""
    row = (
        await session.execute(
            select(ApiKey).where(
                ApiKey.tenant_id == session.tenant_id,
                ApiKey.secret_hash == digest,
                ApiKey.revoked_at.is_(None),
            )
        )
    ).scalar_one_or_none()
    if row is None:
        return None
    now = clock.now()
    if row.last_used_at is None or now - row.last_used_at >= rules.TOUCH_EVERY:
        stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - rules.TOUCH_EVERY)
        await session.execute(
            update(ApiKey)
            .where(ApiKey.tenant_id == session.tenant_id, ApiKey.id == row.id, stale)
            .values(last_used_at=now)
            .execution_options(synchronize_session=False)
        )
    return ApiCaller(
        tenant_id=session.tenant_id,
        key_id=row.id,
        name=row.name,
        channel=row.channel,
        permissions=frozenset(row.permissions),
    )
