"""Paying for an order, and giving up one that is not paid."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.db.session import Session, Unit
from shanmen.kit.errors import DomainError
from shanmen.orders.pages.common import ORDER, AnyRequest, Page, frame_of, order_path, providers_of
from shanmen.orders.pages.order import order_page, read_order, situation
from shanmen.orders.rules import State
from shanmen.orders.service.extend import extend_hold
from shanmen.orders.service.lapse import cancel_order
from shanmen.orders.service.start import start_payment
from shanmen.payments.providers.base import ProviderRefused, ProviderUnavailable
from shanmen.sites.access import PUBLIC
from shanmen.sites.queries import SiteContext
from shanmen.web import i18n
from shanmen.web.render import locale_of, page, redirect


@post(
    f"{ORDER}/pay",
    opt=dict(PUBLIC),
    include_in_schema=False,
    status_code=200,
)
async def pay(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """Start to pay: to the page that leads to the provider, or to the ticket when it is free."""
    frame = await frame_of(request, site, unit)
    contents = await read_order(unit, number=number, secret=secret, site=site)
    view = contents.view
    address = order_path(site.slug, view.number, view.secret)
    providers = providers_of(request)
    locale = locale_of(request)
    name = i18n.localized(frame.site.name, locale)
    try:
        attempt = await start_payment(
            unit,
            providers,
            order_id=view.id,
            provider=providers.default.code,
            description=i18n.t(locale, "orders.pay.description", name=name, count=view.persons),
            return_url=f"{providers.public_url}{address}?returned=1",
            locale=locale,
        )
    except (ProviderUnavailable, ProviderRefused) as error:
        return order_page(request, site, frame, contents, error=error)
    except DomainError as error:
        contents = await read_order(unit, number=number, secret=secret, site=site)
        return order_page(request, site, frame, contents, error=error)
    return redirect(request, address if attempt is None else f"{address}/pay")


@get(f"{ORDER}/pay", opt=dict(PUBLIC), include_in_schema=False)
async def to_provider(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """Lead to the provider: a form may not be sent on to another site, a page may."""
    frame = await frame_of(request, site, unit)
    contents = await read_order(unit, number=number, secret=secret, site=site)
    address = order_path(site.slug, contents.view.number, contents.view.secret)
    attempt = next((p for p in contents.payments if p.status == "started" and p.pay_url), None)
    if attempt is None or situation(contents, returned=0).state != State.HELD:
        return redirect(request, address)
    return page(
        request,
        "orders/pay.html",
        site=frame.site,
        order=contents.view,
        address=address,
        pay_url=attempt.pay_url,
        cache="no-store",
    )


@post(
    f"{ORDER}/cancel",
    opt=dict(PUBLIC),
    include_in_schema=False,
    status_code=200,
)
async def cancel(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """Give up an order that is not paid."""

    async def give_up(session: Session, order_id: UUID) -> None:
        await cancel_order(session, order_id=order_id, reason="by_buyer")

    return await _change(request, site, unit, number, secret, give_up, flash="orders.cancelled_now")


@post(
    f"{ORDER}/extend",
    opt=dict(PUBLIC),
    include_in_schema=False,
    status_code=200,
)
async def extend(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """Hold the places for longer, once."""
    seconds = request.app.state.settings.hold_seconds

    async def hold_on(session: Session, order_id: UUID) -> None:
        await extend_hold(session, order_id=order_id, hold_seconds=seconds)

    return await _change(request, site, unit, number, secret, hold_on, flash="orders.extended_now")


async def _change(
    request: AnyRequest,
    site: SiteContext,
    unit: Unit,
    number: str,
    secret: str,
    change: Callable[[Session, UUID], Awaitable[None]],
    *,
    flash: str,
) -> Page:
    """Change an order and go back to its page; what refuses it is told there."""
    frame = await frame_of(request, site, unit)
    contents = await read_order(unit, number=number, secret=secret, site=site)
    view = contents.view
    try:
        await unit(change, view.id)
    except DomainError as error:
        contents = await read_order(unit, number=number, secret=secret, site=site)
        return order_page(request, site, frame, contents, error=error)
    return redirect(request, order_path(site.slug, view.number, view.secret), flash=flash)


routes = [pay, to_provider, cancel, extend]
