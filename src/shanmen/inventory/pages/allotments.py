"""How pools are divided among channels: all pools, and one pool's shares."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.catalog.queries import current_catalog
from shanmen.db.session import Session, Unit
from shanmen.inventory import queries
from shanmen.inventory.allotments import AllotmentRule
from shanmen.inventory.division import AllotmentSpec, ShareSpec, slot_parts
from shanmen.inventory.pages.common import EDIT, READ, AnyRequest, Page
from shanmen.inventory.queries import PoolView
from shanmen.inventory.rules import SlotState
from shanmen.inventory.service.divide import divide_pool, fingerprint
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.sites import queries as sites
from shanmen.sites.access import current_site
from shanmen.sites.queries import SignedIn
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect
from shanmen.web.rows import with_blank_rows, with_errors, without_blank_rows

LIST = "/console/allotments"
OWN_CHANNELS = ("web", "window")
UNITS = {"days": 1440, "hours": 60, "minutes": 1}
RENAMED = {"places": "amount", "percent": "amount", "release_minutes": "release"}
"""Fields of the services by other names in the form."""


class ShareRow(msgspec.Struct, kw_only=True):
    """A channel's share as it is typed."""

    channel: str
    kind: Literal["fixed", "minimum"] = "fixed"
    amount: int | None = None
    unit: Literal["places", "percent"] = "places"
    release: int | None = None
    release_unit: Literal["minutes", "hours", "days"] = "hours"

    @property
    def release_minutes(self) -> int | None:
        """How long before the slot."""
        return None if self.release is None else self.release * UNITS[self.release_unit]

    def rule(self) -> AllotmentSpec:
        """A share of a pool."""
        return AllotmentSpec(
            channel=self.channel,
            kind=self.kind,
            places=self.amount if self.unit == "places" else None,
            percent=self.amount if self.unit == "percent" else None,
            release_minutes=self.release_minutes,
        )

    def share(self) -> ShareSpec:
        """A share of one slot."""
        return ShareSpec(
            channel=self.channel,
            kind=self.kind,
            places=self.amount or 0,
            release_minutes=self.release_minutes,
        )


class SharesForm(msgspec.Struct, kw_only=True):
    """All shares of a pool, a day or a slot."""

    allotments: list[ShareRow] = msgspec.field(default_factory=list)
    seen: str = ""
    reason: str = ""
    do: str = "save"


def row_of(
    channel: str, kind: str, amount: int, unit: str, release_minutes: int | None
) -> dict[str, Any]:
    """A share as the form shows it."""
    row: dict[str, Any] = {"channel": channel, "kind": kind, "amount": amount, "unit": unit}
    if release_minutes is not None:
        name = next(name for name, size in UNITS.items() if release_minutes % size == 0)
        name = name if release_minutes else "hours"
        row |= {"release": release_minutes // UNITS[name], "release_unit": name}
    return row


def rule_row(rule: AllotmentRule) -> dict[str, Any]:
    """A pool's share as the form shows it."""
    unit = "places" if rule.percent is None else "percent"
    amount = rule.places if rule.percent is None else rule.percent
    return row_of(rule.channel, rule.kind, amount or 0, unit, rule.release_minutes)


def slot_rows(slot: SlotState) -> list[dict[str, Any]]:
    """A slot's shares as the form shows them."""
    rows = []
    for channel, share in sorted(slot.shares.items()):
        minutes = None
        if share.releases_at is not None:
            minutes = int((slot.starts_at - share.releases_at).total_seconds()) // 60
        rows.append(row_of(channel, share.kind, share.places, "places", minutes))
    return rows


def form_of(rows: Sequence[Mapping[str, Any]], **more: str) -> Form:
    """A form with these shares and room for others."""
    return with_blank_rows(Form.blank({"allotments": [*rows], **more}), "allotments")


async def read_shares(request: AnyRequest) -> Form:
    """What was sent, without the rows that name no channel."""
    return without_blank_rows(await Form.read(request), "allotments", "channel")


def refused(form: Form, error: DomainError) -> Form:
    """The form with what was refused beside its fields."""
    return with_blank_rows(with_errors(form, error, renamed=RENAMED), "allotments")


async def channels_of(session: Session, *, site_id: UUID, known: Iterable[str]) -> list[str]:
    """The channels that sell here: one's own, those of keys and of products, and `known` ones."""
    catalog = await current_catalog(session)
    found = {key.channel for key in await sites.api_keys(session) if key.revoked_at is None}
    found |= {code for kind in catalog.of_site(site_id) for code in kind.channels}
    found |= set(known)
    return [*OWN_CHANNELS, *sorted(found - set(OWN_CHANNELS))]


@dataclass(frozen=True, slots=True)
class DividedPool:
    """A pool with its shares and the slots of a day."""

    pool: PoolView
    rules: list[AllotmentRule]
    day: date
    slots: list[SlotState]
    channels: list[str]
    timezone: str

    @property
    def colours(self) -> dict[str, int]:
        """A number for each channel of the pictures, the same in all of them."""
        shown = {rule.channel for rule in self.rules}
        shown |= {code for slot in self.slots for code in slot.shares}
        return {code: n for n, code in enumerate(sorted(shown))}


async def divided_pool(session: Session, *, pool_id: UUID, day: date | None = None) -> DividedPool:
    """A pool's shares, and its slots of a day: of the next with any to come, without one."""
    pool = await queries.pool(session, pool_id=pool_id)
    rules = (await queries.divisions(session, pool_ids=[pool_id])).get(pool_id, [])
    timezone = await sites.site_timezone(session, pool.site_id)
    if day is None:
        today = clock.today(timezone)
        coming = await queries.next_day(session, pool_id=pool_id, first=today, now=clock.now())
        day = coming or today
    slots = await queries.slots_between(session, pool_ids=[pool_id], first=day, last=day)
    slots = [s for s in slots if s.status == "open" or s.edited or s.taken]
    known = {rule.channel for rule in rules} | {code for s in slots for code in s.shares}
    channels = await channels_of(session, site_id=pool.site_id, known=known)
    return DividedPool(pool, rules, day, slots, channels, timezone)


async def divided_pools(session: Session, *, site_id: UUID) -> list[DividedPool]:
    """All pools of a site."""
    return [
        await divided_pool(session, pool_id=pool.id)
        for pool in await queries.pools(session, site_id=site_id)
    ]


@get(LIST, guards=READ, include_in_schema=False)
async def allotment_list(
    request: AnyRequest, staff: NamedDependency[SignedIn], unit: NamedDependency[Unit]
) -> Page:
    """Show how all pools are divided."""
    site = current_site(request, staff)
    return page(
        request,
        "inventory/allotments.html",
        here=site,
        sites=staff.sites,
        pools=await unit(divided_pools, site_id=site.site_id) if site else [],
        row_of=rule_row,
        parts_of=slot_parts,
        now=clock.now(),
        may_edit="inventory.edit" in staff.permissions,
    )


def _show(
    request: AnyRequest, staff: SignedIn, found: DividedPool, form: Form, *, status: int = 200
) -> Page:
    return page(
        request,
        "inventory/allotment.html",
        status=status,
        found=found,
        form=form,
        parts_of=slot_parts,
        now=clock.now(),
        may_edit="inventory.edit" in staff.permissions,
    )


@get(f"{LIST}/{{pool_id:uuid}}", guards=READ, include_in_schema=False)
async def allotment_page(
    request: AnyRequest,
    pool_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Show a pool's shares to change them."""
    found = await unit(divided_pool, pool_id=pool_id)
    form = form_of([rule_row(rule) for rule in found.rules], seen=fingerprint(found.rules))
    return _show(request, staff, found, form)


@post(f"{LIST}/{{pool_id:uuid}}", guards=EDIT, include_in_schema=False, status_code=200)
async def save_allotments(
    request: AnyRequest,
    pool_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Divide a pool anew."""
    form = await read_shares(request)
    try:
        wish = form.into(SharesForm)
        if wish.do == "rows":
            form = with_blank_rows(form, "allotments", more=3)
            return _show(request, staff, await unit(divided_pool, pool_id=pool_id), form)
        changes = await divide_pool(
            unit,
            pool_id=pool_id,
            allotments=[row.rule() for row in wish.allotments],
            seen=wish.seen or None,
        )
    except DomainError as error:
        found = await unit(divided_pool, pool_id=pool_id)
        return _show(request, staff, found, refused(form, error), status=error.status)
    url = f"{LIST}/{pool_id}"
    if changes.short:
        params = {"n": changes.short}
        return redirect(
            request, url, flash="inventory.allotment.short", level="warn", params=params
        )
    return redirect(request, url, flash="inventory.allotment.saved")


routes = [allotment_list, allotment_page, save_allotments]
