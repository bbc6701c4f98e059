"""Moving tickets to another day or slot."""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.catalog.rules import TicketTypeInfo
from shanmen.db.session import Session, Unit
from shanmen.inventory import queries as inventory
from shanmen.inventory.rules import DayOffer, SlotOffer, SlotState, day_offer, slot_offers
from shanmen.kit import clock
from shanmen.kit.errors import DomainError
from shanmen.orders.errors import NotReschedulable
from shanmen.orders.pages.browse import grid, span
from shanmen.orders.pages.common import ORDER, AnyRequest, Page, frame_of, order_path, ticket_ids
from shanmen.orders.pages.further import named
from shanmen.orders.pages.order import OrderContents, TicketCard, cards, read_order
from shanmen.orders.pages.window import Month, next_month
from shanmen.orders.rules import Line
from shanmen.orders.service.reschedule import reschedule
from shanmen.sites.access import PUBLIC
from shanmen.sites.queries import SiteContext
from shanmen.web import i18n
from shanmen.web.forms import Form, nest
from shanmen.web.i18n import Locale
from shanmen.web.render import locale_of, page, redirect


@dataclass(frozen=True, slots=True)
class MoveWish:
    """Tickets to move, and what they need of a new slot."""

    lines: tuple[Line, ...]
    kinds: Mapping[UUID, TicketTypeInfo]

    @property
    def pool_id(self) -> UUID:
        """Where their visits begin."""
        return self.kinds[self.lines[0].ticket_type_id].draws[0].pool_id

    def fits(self, offer: SlotOffer) -> bool:
        """Whether all of them find room there, at no higher price, and it is another slot."""
        if any(line.slot_ids[0] == offer.slot.id for line in self.lines):
            return False
        places = 0
        for kind in self.kinds.values():
            lines = [line for line in self.lines if line.ticket_type_id == kind.id]
            here = offer.types.get(kind.id)
            if here is None or not here.bookable or here.left < len(lines):
                return False
            if any((here.price_fen or 0) > line.price_fen for line in lines):
                return False
            places += len(lines) * kind.draws[0].quantity
        return places <= offer.slot.left

    def left(self, offer: SlotOffer) -> int:
        """How many more tickets of each kind there is room for: a bundle also needs its ride."""
        return min((offer.types[kind].left for kind in self.kinds), default=0)

    def pricier(self, offer: SlotOffer) -> bool:
        """Whether only the price speaks against it."""
        return any(
            (here := offer.types.get(line.ticket_type_id)) is not None
            and (here.price_fen or 0) > line.price_fen
            for line in self.lines
        )


def movable(contents: OrderContents) -> list[Line]:
    """The lines of tickets that may be moved now."""
    if contents.view.status != "issued":
        return []
    now = clock.now()
    unused = {
        t.ticket_id for t in contents.view.tickets if t.status == "valid" and not t.persons_entered
    }
    types = contents.file.catalog.types
    return [
        line
        for line in contents.file.lines
        if line.ticket_id in unused
        and (kind := types.get(line.ticket_type_id)) is not None
        and kind.draws
        and kind.reschedule.allowed(
            now=now, visit_starts=line.visit_starts, done=contents.file.generation
        )
    ]


def wish_of(contents: OrderContents, chosen: Collection[UUID]) -> MoveWish | None:
    """The tickets to move: those chosen, else all that begin where the first does."""
    lines = movable(contents)
    types = contents.file.catalog.types
    if chosen:
        lines = [line for line in lines if line.ticket_id in chosen]
    if not lines:
        return None
    pool = types[lines[0].ticket_type_id].draws[0].pool_id
    same = tuple(line for line in lines if types[line.ticket_type_id].draws[0].pool_id == pool)
    return MoveWish(same, {t: types[t] for t in {line.ticket_type_id for line in same}})


@dataclass(frozen=True, slots=True)
class MoveShop:
    """A month and a day as those who move find them."""

    month: Month
    offers: tuple[SlotOffer, ...]
    further: Mapping[UUID, tuple[SlotState, ...]]
    """By pool: the slots of the day in which a bundle's further visits can be."""
    pools: Mapping[UUID, dict[str, str]]
    """Names of the further pools."""

    def times_of(self, offer: SlotOffer, wish: MoveWish) -> list[SlotState]:
        """The further visits that go with a slot unless others are chosen."""
        companions = {s for kind in wish.kinds for s in offer.types[kind].companions}
        return [s for slots in self.further.values() for s in slots if s.id in companions]


async def read_move(
    session: Session, *, wish: MoveWish, contents: OrderContents, first: date, day: date, zone: str
) -> MoveShop:
    """The days of a month and the slots of a day for these tickets."""
    catalog = contents.file.catalog
    types = list(wish.kinds.values())
    now = clock.now()
    today = clock.local(now, zone).date()
    last = next_month(first) - date.resolution
    slots = await inventory.slots_between(
        session,
        pool_ids={draw.pool_id for kind in types for draw in kind.draws},
        first=max(min(first, day), today),
        last=max(last, day),
    )
    offers = [
        offer
        for offer in slot_offers(
            types,
            slots,
            price=catalog.price,
            today=today,
            now=now,
            channel=contents.view.channel,
        )
        if offer.slot.pool_id == wish.pool_id
    ]
    ahead = min(kind.days_ahead for kind in types)
    days: list[DayOffer] = []
    current = max(first, today)
    while current <= last:
        fitting = [o for o in offers if o.slot.day == current and wish.fits(o)]
        kind_of_day = catalog.day_kind(contents.view.site_id, current)
        found = day_offer(current, kind_of_day, fitting, today=today, days_ahead=ahead)
        days.append(replace(found, price_fen=None))
        current += date.resolution
    month = Month((), tuple(days), today + ahead * date.resolution)
    channel = contents.view.channel
    further: dict[UUID, tuple[SlotState, ...]] = {
        draw.pool_id: tuple(
            sorted(
                (
                    slot.seen_by(channel, now)
                    for slot in slots
                    if slot.pool_id == draw.pool_id
                    and slot.day == day
                    and slot.status == "open"
                    and slot.ends_at > now
                ),
                key=lambda slot: slot.starts_at,
            )
        )
        for kind in types
        for draw in kind.draws[1:]
    }
    names = await inventory.pools(session, site_id=contents.view.site_id) if further else []
    return MoveShop(
        month,
        tuple(o for o in offers if o.slot.day == day),
        further,
        {pool.id: pool.name for pool in names},
    )


def slot_rows(wish: MoveWish, shop: MoveShop, locale: Locale) -> list[dict[str, Any]]:
    """The day's slots, what else goes with them, and why some of them cannot be chosen."""
    rows = []
    for offer in shop.offers:
        slot = offer.slot
        times: list[SlotState] = []
        if wish.fits(offer):
            times = shop.times_of(offer, wish)
            state = "available"
            note = i18n.t(locale, "orders.visit.left", left=wish.left(offer))
        elif any(line.slot_ids[0] == slot.id for line in wish.lines):
            state, note = "closed", i18n.t(locale, "orders.move.present")
        elif wish.pricier(offer):
            state, note = "closed", i18n.t(locale, "orders.move.pricier")
        else:
            state, note = "soldout", i18n.t(locale, "orders.move.no_room")
        rows.append(
            {
                "id": slot.id,
                "time": span(slot.starts, slot.ends, locale),
                "state": state,
                "note": note,
                "also": [_named_time(shop, other, locale) for other in times],
                "others": ".".join(str(other.id) for other in times),
            }
        )
    return rows


def _named_time(shop: MoveShop, slot: SlotState, locale: Locale) -> str:
    return named(shop.pools.get(slot.pool_id), span(slot.starts, slot.ends, locale), locale)


def other_rows(shop: MoveShop, locale: Locale) -> list[dict[str, Any]]:
    """For each further pool its name, and the slots to choose from."""
    return [
        {
            "name": i18n.localized(shop.pools.get(pool_id), locale),
            "options": [
                (
                    str(slot.id),
                    i18n.t(
                        locale,
                        "orders.visit.other_slot",
                        time=span(slot.starts, slot.ends, locale),
                        left=slot.left,
                    ),
                )
                for slot in slots
                if slot.left > 0
            ],
        }
        for pool_id, slots in shop.further.items()
    ]


def others_of(form: Form, slot_id: UUID) -> list[UUID]:
    """The further slots that were chosen, then those that the page said would go with the slot."""
    chosen, shown = form.get("other"), form.get("auto")
    texts = list(chosen.values()) if isinstance(chosen, Mapping) else []
    if isinstance(shown, Mapping):
        texts += str(shown.get(f"s{slot_id.hex}") or "").split(".")
    found = []
    for text in texts:
        with contextlib.suppress(ValueError):
            found.append(UUID(str(text)))
    return found


async def move_page(
    request: AnyRequest,
    site: SiteContext,
    unit: Unit,
    contents: OrderContents,
    form: Form,
    *,
    error: DomainError | None = None,
) -> Page:
    """Choose tickets, a day and a slot with room for all of them."""
    frame = await frame_of(request, site, unit)
    locale = locale_of(request)
    base = order_path(site.slug, contents.view.number, contents.view.secret)
    chosen = ticket_ids(form)
    wish = wish_of(contents, chosen)
    if wish is None:
        refused = error or NotReschedulable()
        return page(
            request, "orders/move.html", status=refused.status, site=frame.site, base=base,
            cards=[], calendar=None, slots=[], others=[], day=None, chosen=set(),
            form=Form.blank().with_error(refused), hidden=[], cache="no-store",
        )  # fmt: skip
    today = clock.today(site.timezone)
    day = _date(form.get("day"), max(wish.lines[0].visit_day, today))
    first = _month(form.get("month"), day, today)
    shop = await unit(
        read_move, wish=wish, contents=contents, first=first, day=day, zone=site.timezone
    )
    tickets = [("tickets[]", str(line.ticket_id)) for line in wish.lines]
    query = urlencode(tickets)
    calendar = grid(
        shop.month,
        first,
        today=today,
        base=f"{base}/reschedule?{query}&",
        pager=f"?{query}&",
        selected=day,
    )
    lines = {line.ticket_id for line in movable(contents)}
    shown: list[TicketCard] = [
        card for card in cards(contents, site, locale) if card.line.ticket_id in lines
    ]
    return page(
        request,
        "orders/move.html",
        status=error.status if error else 200,
        site=frame.site,
        base=base,
        cards=shown,
        chosen={line.ticket_id for line in wish.lines},
        calendar=calendar,
        day=day,
        slots=slot_rows(wish, shop, locale),
        others=other_rows(shop, locale),
        hidden=[*tickets, ("day", day.isoformat())],
        form=form.with_error(error) if error else form,
        cache="no-store",
    )


def _date(value: object, default: date) -> date:
    try:
        return date.fromisoformat(str(value or ""))
    except ValueError:
        return default


def _month(value: object, day: date, today: date) -> date:
    this = today.replace(day=1)
    found = _date(f"{value}-01" if value else "", day.replace(day=1))
    return found if this <= found <= date(today.year + 2, today.month, 1) else this


@get(f"{ORDER}/reschedule", opt=dict(PUBLIC), include_in_schema=False)
async def move_form(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """Choose another time."""
    contents = await read_order(unit, number=number, secret=secret, site=site)
    form = Form.blank(nest(request.query_params.multi_items()))
    return await move_page(request, site, unit, contents, form)


@post(f"{ORDER}/reschedule", opt=dict(PUBLIC), include_in_schema=False, status_code=200)
async def move(
    request: AnyRequest,
    number: FromPath[str],
    secret: FromPath[str],
    site: NamedDependency[SiteContext],
    unit: NamedDependency[Unit],
) -> Page:
    """Move the tickets, all or none."""
    contents = await read_order(unit, number=number, secret=secret, site=site)
    form = await Form.read(request)
    chosen = ticket_ids(form)
    try:
        slot_id = UUID(str(form.get("slot") or ""))
    except ValueError:
        form.add("slot", i18n.t(locale_of(request), "orders.move.choose"))
        return await move_page(request, site, unit, contents, form)
    try:
        await unit(
            reschedule,
            order_id=contents.view.id,
            slot_id=slot_id,
            ticket_ids=chosen or None,
            other_slot_ids=others_of(form, slot_id),
            reason="by_buyer",
        )
    except DomainError as error:
        error.field = "slot"
        contents = await read_order(unit, number=number, secret=secret, site=site)
        return await move_page(request, site, unit, contents, form, error=error)
    return redirect(
        request,
        order_path(site.slug, contents.view.number, contents.view.secret),
        flash="orders.move.done",
    )


routes = [move_form, move]
