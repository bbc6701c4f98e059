"""A supervisor signs on the spot, on the guard's own screen, for one correction."""

from typing import Any

from litestar import Request

from shanmen.db.session import Unit
from shanmen.sites import queries as sites
from shanmen.sites.access import access_of, actor_of
from shanmen.sites.errors import MissingPermission
from shanmen.sites.queries import SignedIn
from shanmen.sites.service import auth

PERMISSION = "admission.override"
SESSION_MINUTES = 5
"""The supervisor's session lives for the one request only; this bounds it if that fails midway."""

AnyRequest = Request[Any, Any, Any]


async def supervisor_unit(
    request: AnyRequest, unit: Unit, staff: SignedIn, *, login: str, password: str
) -> Unit:
    """What runs a correction: as the guard who may, or as the supervisor who signs for it.

    Raises:
        MissingPermission: neither of them may; sites' WrongLogin, LockedOut: the log-in failed.
    """
    if not login:
        if PERMISSION in staff.permissions:
            return unit
        raise MissingPermission(permission=PERMISSION, field="login")
    access = access_of(request)
    if "@" not in login:
        tenant = await unit(sites.current_tenant)
        login = f"{login}@{tenant.code}"
    opened = await auth.sign_in(
        access.database,
        access.passwords,
        login=login,
        password=password,
        minutes=SESSION_MINUTES,
        ip=unit.actor.ip,
        user_agent="gate",
    )
    parsed = auth.parse_token(opened.token)
    own = access.database.unit(opened.tenant_id, actor=unit.actor)
    signed = await own(auth.resume, secret=parsed[1], minutes=SESSION_MINUTES) if parsed else None
    if parsed:
        # Nobody stays signed in on the guard's device.
        await own(auth.sign_out, secret=parsed[1])
    if (
        signed is None
        or signed.tenant_id != staff.tenant_id
        or PERMISSION not in signed.permissions
    ):
        raise MissingPermission(permission=PERMISSION, field="login")
    return access.database.unit(signed.tenant_id, actor=actor_of(signed, ip=unit.actor.ip))
