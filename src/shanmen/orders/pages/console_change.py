"""Staff give tickets back, by the rule or in goodwill, and move them."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from shanmen.db.session import Unit
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.orders.errors import NotRefundable, NotReschedulable
from shanmen.orders.pages.common import AnyRequest, Page, ticket_ids
from shanmen.orders.pages.console import (
    CHANGE,
    GOODWILL,
    Dossier,
    read_dossier,
    refused,
    site_of,
)
from shanmen.orders.pages.moving import (
    MoveWish,
    other_rows,
    others_of,
    read_move,
    slot_rows,
    wish_of,
)
from shanmen.orders.pages.order import cards
from shanmen.orders.service import staff as desk
from shanmen.sites.errors import MissingPermission
from shanmen.sites.queries import SignedIn
from shanmen.web import i18n
from shanmen.web.forms import Form, nest
from shanmen.web.render import locale_of, page, redirect


class RefundForm(msgspec.Struct, kw_only=True):
    """Which tickets, why, and whether at another fee than the rule's."""

    reason: str
    tickets: list[UUID] = []
    fee: str = "rule"
    fee_percent: Annotated[int, Meta(ge=0, le=100)] = 0


@post(
    "/console/orders/{order_id:uuid}/refund", guards=CHANGE, include_in_schema=False,
    status_code=200,
)  # fmt: skip
async def refund(
    request: AnyRequest,
    order_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Give tickets back; whoever makes the rules may set another fee."""
    form = await Form.read(request)
    try:
        wish = form.into(RefundForm)
        goodwill = wish.fee == "other"
        if goodwill and not staff.may(GOODWILL):
            raise MissingPermission(permission=GOODWILL)
        if not wish.tickets:
            raise NotRefundable(field="tickets")
        site_of(staff, (await unit(read_dossier, order_id=order_id)).contents.view.site_id)
        refunded = await unit(
            desk.refund,
            order_id=order_id,
            ticket_ids=wish.tickets,
            reason=wish.reason[:200],
            fee_percent=wish.fee_percent if goodwill else None,
        )
    except DomainError as error:
        return await refused(request, unit, staff, order_id, error)
    return redirect(
        request,
        f"/console/orders/{order_id}",
        flash="orders.refund.done",
        params={"amount": i18n.format_money(refunded.amount_fen, locale_of(request))},
    )


class MoveForm(msgspec.Struct, kw_only=True):
    """Where to, and why."""

    slot: UUID
    reason: str


async def move_page(
    request: AnyRequest,
    unit: Unit,
    staff: SignedIn,
    dossier: Dossier,
    form: Form,
    *,
    error: DomainError | None = None,
) -> Page:
    """Choose tickets, a day and a slot with room."""
    contents = dossier.contents
    site = site_of(staff, contents.view.site_id)
    locale = locale_of(request)
    wish: MoveWish | None = wish_of(contents, ticket_ids(form))
    if wish is None:
        return await refused(request, unit, staff, contents.view.id, error or NotReschedulable())
    today = clock.today(site.timezone)
    try:
        day = date.fromisoformat(str(form.get("day") or ""))
    except ValueError:
        day = max(wish.lines[0].visit_day, today)
    shop = await unit(
        read_move, wish=wish, contents=contents, first=day.replace(day=1), day=day,
        zone=site.timezone,
    )  # fmt: skip
    rows: list[dict[str, Any]] = slot_rows(wish, shop, locale)
    return page(
        request,
        "orders/console_move.html",
        status=error.status if error else 200,
        order=contents.view,
        cards=[c for c in cards(contents, site, locale) if c.line.status == "valid"],
        chosen={line.ticket_id for line in wish.lines},
        day=day,
        today=today,
        slots=rows,
        others=other_rows(shop, locale),
        form=form.with_error(error) if error else form,
        cache="no-store",
    )


@get("/console/orders/{order_id:uuid}/reschedule", guards=CHANGE, include_in_schema=False)
async def move_form(
    request: AnyRequest,
    order_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Choose another time for a visitor."""
    dossier = await unit(read_dossier, order_id=order_id)
    form = Form.blank(nest(request.query_params.multi_items()))
    return await move_page(request, unit, staff, dossier, form)


@post(
    "/console/orders/{order_id:uuid}/reschedule", guards=CHANGE, include_in_schema=False,
    status_code=200,
)  # fmt: skip
async def move(
    request: AnyRequest,
    order_id: FromPath[UUID],
    unit: NamedDependency[Unit],
    staff: NamedDependency[SignedIn],
) -> Page:
    """Move the tickets, all or none."""
    form = await Form.read(request)
    dossier = await unit(read_dossier, order_id=order_id)
    site_of(staff, dossier.contents.view.site_id)
    chosen = ticket_ids(form)
    try:
        wish = form.into(MoveForm)
        await unit(
            desk.move, order_id=order_id, slot_id=wish.slot, ticket_ids=chosen or None,
            other_slot_ids=others_of(form, wish.slot), reason=wish.reason[:200],
        )  # fmt: skip
    except DomainError as error:
        dossier = await unit(read_dossier, order_id=order_id)
        return await move_page(request, unit, staff, dossier, form, error=error)
    return redirect(request, f"/console/orders/{order_id}", flash="orders.move.done")


routes = [refund, move_form, move]
