"""Tenants, and the sites, zones and entrances they own."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from shanmen.audit import service as audit
from shanmen.db.pipeline import Statement, run
from shanmen.db.session import SET_TENANT, Session
from shanmen.kit import clock, crypto, ids
from shanmen.sites import errors, queries, rules
from shanmen.sites.models import Role, Site, SiteAddress, Tenant
from shanmen.sites.queries import SiteView
from shanmen.sites.service import staff as staff_service

TEXT_LENGTH = 4000
LINE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant that was just made, and its first administrator."""

    tenant_id: int
    administrator_id: UUID


async def create_tenant(
    session: Session,
    *,
    code: str,
    name: Mapping[str, str],
    admin_login: str,
    admin_name: str,
    admin_password_hash: str,
) -> NewTenant:
    """Make a tenant with its own data key, the default roles and one administrator.

    The session comes without a tenant and belongs to the new one from here on, so what follows in
    the same transaction (its first site) is the tenant's already. `admin_password_hash` comes from
    :meth:`shanmen.sites.passwords.Passwords.hash_now`, after `rules.check_password`.

    Raises:
        BadCode, CodeTaken, NameMissing, BadLogin: naming the field.
    """
    cleaned = rules.clean_code(code)
    names = rules.clean_name(name)
    # The key is wrapped for the tenant's number, which is only known after this.
    made = await session.execute(
        insert(Tenant)
        .values(code=cleaned, name=names, wrapped_key=b"", created_at=clock.now())
        .on_conflict_do_nothing()
        .returning(Tenant.id)
    )
    tenant_id = made.scalar_one_or_none()
    if tenant_id is None:
        raise errors.CodeTaken(field="code")
    tenant = await session.get_one(Tenant, tenant_id)
    tenant.wrapped_key = crypto.wrap_key(
        crypto.new_data_key(), keys=session.keyrings.masters, tenant_id=tenant_id
    )
    await session.flush()
    session.tenant_id = tenant_id
    session.keyring = await session.keyrings.get(session, tenant_id)
    await run(session, [Statement(SET_TENANT, (str(tenant_id),))])
    await audit.record(
        session,
        action="sites.tenant_created",
        entity="tenant",
        entity_id=tenant_id,
        after={"code": cleaned, "name": names},
    )
    for default in rules.DEFAULT_ROLES:
        session.add(
            Role(
                tenant_id=tenant_id,
                id=ids.new_id(),
                code=default.code,
                name=dict(default.name),
                permissions=list(default.permissions),
            )
        )
    await session.flush()
    administrator = await staff_service.create_staff(
        session,
        login=admin_login,
        name=admin_name,
        role_code=rules.ADMINISTRATOR,
        password_hash=admin_password_hash,
    )
    return NewTenant(tenant_id, administrator.id)


def _check_texts(texts: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Clean bilingual texts by field; raises TextTooLong naming field and language."""
    cleaned = {field: rules.clean_text(text) for field, text in texts.items()}
    for field, text in cleaned.items():
        for language, words in text.items():
            if len(words) > TEXT_LENGTH:
                raise errors.TextTooLong(field=f"{field}.{language}", limit=TEXT_LENGTH)
    return cleaned


def _check_line(value: str, *, field: str) -> str:
    cleaned = value.strip()
    if len(cleaned) > LINE_LENGTH:
        raise errors.TextTooLong(field=field, limit=LINE_LENGTH)
    return cleaned


async def create_site(
    session: Session,
    *,
    slug: str,
    name: Mapping[str, str],
    timezone: str = queries.DEFAULT_TIMEZONE,
    intro: Mapping[str, str] | None = None,
    notice: Mapping[str, str] | None = None,
    phone: str = "",
    address: Mapping[str, str] | None = None,
    opening_hours: Mapping[str, str] | None = None,
    records: Mapping[str, Any] | None = None,
) -> SiteView:
    """Make a site and publish its address; the slug stays for ever, because it is printed.

    Raises:
        BadSlug, SlugTaken, NameMissing, TextTooLong, UnknownTimeZone, NoNumberLeft: naming the
            field.
    """
    cleaned = rules.clean_slug(slug)
    names = rules.clean_name(name)
    _check_timezone(timezone)
    texts = _check_texts(
        {
            "intro": intro or {},
            "notice": notice or {},
            "address": address or {},
            "opening_hours": opening_hours or {},
        }
    )
    site_id = ids.new_id()
    published = await session.execute(
        insert(SiteAddress)
        .values(slug=cleaned, tenant_id=session.tenant_id, site_id=site_id, name=names)
        .on_conflict_do_nothing()
        .returning(SiteAddress.slug)
    )
    if published.scalar_one_or_none() is None:
        raise errors.SlugTaken(field="slug")
    # Sites of one tenant are made one after the other, so that their numbers differ.
    await session.execute(
        select(Tenant.id).where(Tenant.id == session.tenant_id).with_for_update(key_share=True)
    )
    taken = await session.execute(select(Site.number).where(Site.tenant_id == session.tenant_id))
    row = Site(
        tenant_id=session.tenant_id,
        id=site_id,
        number=rules.free_number(set(taken.scalars()), rules.SITE_NUMBERS),
        slug=cleaned,
        name=names,
        intro=texts["intro"],
        notice=texts["notice"],
        timezone=timezone,
        phone=_check_line(phone, field="phone"),
        address=texts["address"],
        opening_hours=texts["opening_hours"],
        records=_check_records(records or {}),
        created_at=clock.now(),
    )
    session.add(row)
    await session.flush()
    view = queries.site_view(row)
    await audit.record(
        session,
        action="sites.site_created",
        entity="site",
        entity_id=site_id,
        after=_site_facts(view),
    )
    return view


async def change_site(
    session: Session,
    *,
    slug: str,
    name: Mapping[str, str] | None = None,
    timezone: str | None = None,
    intro: Mapping[str, str] | None = None,
    notice: Mapping[str, str] | None = None,
    phone: str | None = None,
    address: Mapping[str, str] | None = None,
    opening_hours: Mapping[str, str] | None = None,
    records: Mapping[str, Any] | None = None,
) -> SiteView:
    """Change what is given of a site; None leaves a field as it is.

    Raises:
        SiteUnknown, NameMissing, TextTooLong, UnknownTimeZone: naming the field.
    """
    row = await _site_row(session, slug)
    before = _site_facts(queries.site_view(row))
    given = {
        "intro": intro,
        "notice": notice,
        "address": address,
        "opening_hours": opening_hours,
    }
    for field, text in _check_texts({f: t for f, t in given.items() if t is not None}).items():
        setattr(row, field, text)
    if name is not None:
        row.name = rules.clean_name(name)
        public = await session.get_one(SiteAddress, row.slug)
        public.name = row.name
    if timezone is not None:
        _check_timezone(timezone)
        row.timezone = timezone
    if phone is not None:
        row.phone = _check_line(phone, field="phone")
    if records is not None:
        row.records = _check_records(records)
    await session.flush()
    view = queries.site_view(row)
    await audit.record(
        session,
        action="sites.site_changed",
        entity="site",
        entity_id=row.id,
        before=before,
        after=_site_facts(view),
    )
    return view


def _site_facts(view: SiteView) -> dict[str, Any]:
    """What the audit log compares; the site's telephone is public and so not masked."""
    facts = asdict(view)
    del facts["id"]
    facts["public_number"] = facts.pop("phone")
    return facts


def _check_timezone(timezone: str) -> None:
    try:
        clock.zone(timezone)
    except clock.UnknownTimeZone as error:
        error.field = "timezone"
        raise


def _check_records(records: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key in ("icp", "police")
        if (value := _check_line(str(records.get(key) or ""), field=f"records.{key}"))
    }


async def _site_row(session: Session, slug: str) -> Site:
    """The site, locked: its zones and entrances are numbered one after the other."""
    row = (
        await session.execute(
            select(Site)
            .where(Site.tenant_id == session.tenant_id, Site.slug == slug)
            .with_for_update()
        )
    ).scalar_one_or_none()
    if row is None:
        raise errors.SiteUnknown(field="slug")
    return row
