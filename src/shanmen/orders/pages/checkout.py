"""Naming the visitors, and placing the order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency

from shanmen.db.idempotency import key_digest, request_digest
from shanmen.db.session import Session, Unit
from shanmen.inventory.errors import SlotClosed, SlotNotFound, SoldOut
from shanmen.kit import clock, documents, ids, phones
from shanmen.kit.documents import DocumentKind
from shanmen.kit.errors import DomainError, IdempotencyMismatch
from shanmen.orders.errors import (
    FormSentBefore,
    OutsideHours,
    SlotNotChosen,
    TooEarly,
    TooLate,
    WrongAge,
)
from shanmen.orders.pages.basket import Basket, Chosen, Wanted
from shanmen.orders.pages.browse import (
    GroupView,
    group_views,
    query_form,
    span,
    visit_page,
)
from shanmen.orders.pages.common import (
    CHANNEL,
    PAGE_SECONDS,
    AnyRequest,
    Frame,
    Page,
    desk_of,
    frame_of,
    order_path,
    remembered,
)
from shanmen.orders.pages.further import named
from shanmen.orders.pages.say import RuleText, rules_of, who_for
from shanmen.orders.pages.window import DayShop, read_day
from shanmen.orders.queries import order_secret
from shanmen.orders.rules import age_problem, clean_name
from shanmen.orders.schemas import OrderInput, PlaceOrder, TicketInput, VisitorInput
from shanmen.sites.access import PUBLIC
from shanmen.sites.queries import SiteContext
from shanmen.web import i18n
from shanmen.web.forms import FieldProblem, Form
from shanmen.web.i18n import Locale
from shanmen.web.render import locale_of, page, redirect

_DAYS = "orders_days"
DOCUMENT_KINDS = (
    DocumentKind.ID_CARD,
    DocumentKind.HK_MACAO_PERMIT,
    DocumentKind.TAIWAN_PERMIT,
    DocumentKind.PASSPORT,
    DocumentKind.FOREIGN_PERMANENT_RESIDENT,
    DocumentKind.HMT_RESIDENCE_PERMIT,
)
"""In the order in which visitors need them."""
ABOUT_THE_SLOT = (
    SoldOut,
    SlotClosed,
    SlotNotFound,
    SlotNotChosen,
    TooLate,
    TooEarly,
    OutsideHours,
)
"""Errors after which the visitor chooses another time, and keeps what was typed."""


@dataclass(frozen=True, slots=True)
class TicketBlock:
    """A ticket on the form, with the persons to name on it."""

    title: str
    note: str
    persons: tuple[str, ...]
    """The dotted name of each person's fields."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of the summary: when, and what for."""

    when: str
    lines: tuple[str, ...]


def blocks(wanted: Sequence[Wanted], locale: Locale) -> list[TicketBlock]:
    """The tickets to name visitors on; those that name nobody are left out."""
    found = []
    index = 0
    for one in wanted:
        for number in range(1, one.count + 1):
            named = one.kind.holders_per_ticket
            if named:
                name = i18n.localized(one.kind.name, locale)
                title = (
                    i18n.t(locale, "orders.visitors.ticket", name=name, number=number)
                    if one.count > 1
                    else name
                )
                persons = tuple(f"tickets.{index}.visitors.{seq}" for seq in range(named))
                found.append(TicketBlock(title, who_for(one.kind, locale), persons))
            index += 1
    return found


def check_persons(form: Form, wanted: Sequence[Wanted], *, today: date) -> list[TicketInput]:
    """The tickets with their visitors, slots not yet set; every fault is added to the form.

    The order desk checks the same again. Here all persons are looked at, so that one answer names
    everything that is to be put right.
    """
    tickets: list[TicketInput] = []
    for one in wanted:
        for _ in range(one.count):
            visitors = []
            for seq in range(one.kind.holders_per_ticket):
                path = f"tickets.{len(tickets)}.visitors.{seq}"
                visitors.append(_person(form, one, path, today=today))
            tickets.append(TicketInput(one.kind.id, UUID(int=0), visitors))
    phone = str(form.get("phone") or "").strip()
    if not phone:
        form.add("phone", FieldProblem("phone", "required"))
    else:
        try:
            phones.normalise(phone)
        except DomainError as error:
            form.add("phone", error)
    return tickets


def _person(form: Form, wanted: Wanted, path: str, *, today: date) -> VisitorInput:
    name = str(form.get(f"{path}.name") or "").strip()[:60]
    number = str(form.get(f"{path}.document_number") or "").strip()[:40]
    asked = str(form.get(f"{path}.document_kind") or "")
    kind = DocumentKind(asked) if asked in set(DocumentKind) else DocumentKind.ID_CARD
    if not name:
        form.add(f"{path}.name", FieldProblem(f"{path}.name", "required"))
    else:
        try:
            clean_name(name, path=f"{path}.name")
        except DomainError as error:
            form.add(f"{path}.name", error)
    field = f"{path}.document_number"
    if not number:
        form.add(field, FieldProblem(field, "required"))
        return VisitorInput(name, kind, number)
    try:
        document = documents.check(kind, number)
        age = documents.age_on(document.birth_date, today) if document.birth_date else None
        if wanted.kind.party_size == 1 and age_problem(wanted.kind, age):
            raise WrongAge(age=age, min_age=wanted.kind.min_age, max_age=wanted.kind.max_age)
    except DomainError as error:
        form.add(field, error)
    return VisitorInput(name, kind, number)


def with_slots(
    tickets: Sequence[TicketInput], wanted: Sequence[Wanted], basket: Basket, shop: DayShop
) -> list[TicketInput]:
    """The same tickets with the slots that were chosen, whether there is room in them or not."""
    by_pool = {shop.slots[s].pool_id: s for s in basket.slot_ids if s in shop.slots}
    kinds = [one.kind for one in wanted for _ in range(one.count)]
    found = []
    for ticket, kind in zip(tickets, kinds, strict=True):
        slot = by_pool.get(kind.draws[0].pool_id)
        if slot is None:
            raise SlotNotChosen(field="slot")
        others = basket.others.get(kind.number, ())
        complete = len(others) == len(kind.draws) - 1
        found.append(TicketInput(kind.id, slot, ticket.visitors, list(others) if complete else []))
    return found


def visits(
    chosen: Sequence[Chosen], shop: DayShop, pools: Mapping[UUID, dict[str, str]], locale: Locale
) -> list[Visit]:
    """The summary's visits: tickets of the same slot together."""
    grouped: dict[UUID, list[Chosen]] = {}
    for one in chosen:
        grouped.setdefault(one.slot.id, []).append(one)
    found = []
    for together in grouped.values():
        slot = together[0].slot
        lines = []
        for one in together:
            name = i18n.localized(one.wanted.kind.name, locale)
            times = "".join(
                i18n.t(locale, "orders.visitors.also", time=_further(shop, other, pools, locale))
                for other in one.others or _automatic(one, shop)
            )
            lines.append(f"{name} × {one.wanted.count}{times}")
        when = f"{i18n.format_day(slot.day, locale)} {span(slot.starts, slot.ends, locale)}"
        found.append(Visit(when, tuple(lines)))
    return found


def _automatic(one: Chosen, shop: DayShop) -> tuple[UUID, ...]:
    """The slots of a bundle's further pools where the visitor left them to us."""
    offer = shop.offer(one.slot.id)
    here = offer.types.get(one.wanted.kind.id) if offer else None
    return here.companions if here else ()


def _further(
    shop: DayShop, slot_id: UUID, pools: Mapping[UUID, dict[str, str]], locale: Locale
) -> str:
    slot = shop.slots[slot_id]
    return named(pools.get(slot.pool_id), span(slot.starts, slot.ends, locale), locale)


@dataclass(frozen=True, slots=True)
class Counter:
    """Everything that the visitors' page is made of."""

    request: AnyRequest
    site: SiteContext
    frame: Frame
    shop: DayShop
    basket: Basket
    wanted: list[Wanted]

    def page(
        self,
        form: Form,
        chosen: Sequence[Chosen] | None,
        *,
        status: int = 200,
        problem: DomainError | None = None,
    ) -> Page:
        """The form; with the day's slots to choose from where ``chosen`` is None."""
        locale = locale_of(self.request)
        wanted_pools = {one.kind.draws[0].pool_id for one in self.wanted}
        starts: datetime | None = min((one.slot.starts_at for one in chosen or ()), default=None)
        rules: list[RuleText] = rules_of(
            (one.kind for one in self.wanted),
            locale,
            starts=starts,
            timezone=self.site.timezone,
            now=self.shop.now,
        )
        return page(
            self.request,
            "orders/visitors.html",
            status=status,
            site=self.frame.site,
            form=form.with_error(problem) if problem else form,
            day=self.shop.day,
            visits=visits(chosen or (), self.shop, self.frame.pools, locale),
            groups=[] if chosen else self._groups(locale, wanted_pools),
            fields=_without_slots(self.basket) if chosen is None else self.basket.fields(),
            change=f"/s/{self.site.slug}/visit?{self.basket.query}",
            blocks=blocks(self.wanted, locale),
            kinds=[(kind.value, i18n.t(locale, f"kit.document.{kind}")) for kind in DOCUMENT_KINDS],
            wanted=self.wanted,
            total_fen=sum(one.amount_fen for one in self.wanted),
            rules=rules,
            # What was refused is remembered under its key, so every page has a new one.
            idempotency_key=ids.token(16),
            cache="no-store",
        )

    def _groups(self, locale: Locale, pools: set[UUID]) -> list[GroupView]:
        kinds = [one.kind.id for one in self.wanted]
        views = group_views(self.shop, self.frame, locale, wanted=kinds)
        numbered = zip(self.shop.groups, views, strict=True)
        return [view for group, view in numbered if group.pool_id in pools]


def _without_slots(basket: Basket) -> list[tuple[str, str]]:
    return [(name, value) for name, value in basket.fields() if not name.startswith("slot-")]


def _day(site: SiteContext, form: Form) -> date:
    try:
        return date.fromisoformat(str(form.get("day") or ""))
    except ValueError:
        return clock.today(site.timezone)


async def _shop(site: SiteContext, unit: Unit, form: Form) -> DayShop:
    day = _day(site, form)
    return await unit(read_day, site_id=site.site_id, day=day, timezone=site.timezone)


async def _recent_shop(request: AnyRequest, site: SiteContext, unit: Unit, form: Form) -> DayShop:
    """The day at most half a second ago: good enough to ask for names, not to sell by."""
    days = remembered(request, _DAYS, seconds=PAGE_SECONDS)
    key = site.tenant_id, site.site_id, _day(site, form)
    found = await days.get(key, lambda: _shop(site, unit, form))
    if not isinstance(found, DayShop):
        raise TypeError(found)
    return found


@get("/s/{slug:str}/visitors", opt=dict(PUBLIC), include_in_schema=False)
async def visitors(
    request: AnyRequest, site: NamedDependency[SiteContext], unit: NamedDependency[Unit]
) -> Page:
    """Name the visitors of what was chosen on the page before."""
    frame = await frame_of(request, site, unit)
    form = query_form(request)
    shop = await _recent_shop(request, site, unit, form)
    basket = Basket.read(form, shop.day)
    try:
        wanted = basket.wanted(shop)
        chosen = basket.chosen(shop, wanted)
    except DomainError as error:
        return visit_page(request, site, frame, shop, form, error=error)
    return Counter(request, site, frame, shop, basket, wanted).page(Form.blank(), chosen)


@post("/s/{slug:str}/visitors", opt=dict(PUBLIC), include_in_schema=False, status_code=200)
async def place(
    request: AnyRequest, site: NamedDependency[SiteContext], unit: NamedDependency[Unit]
) -> Page:
    """Place the order, or say beside each field what is wrong."""
    frame = await frame_of(request, site, unit)
    form = await Form.read(request)
    shop = await _shop(site, unit, form)
    basket = Basket.read(form, shop.day)
    try:
        wanted = basket.wanted(shop)
    except DomainError as error:
        return visit_page(request, site, frame, shop, form, error=error)
    counter = Counter(request, site, frame, shop, basket, wanted)
    tickets = check_persons(form, wanted, today=clock.today(site.timezone))
    # A repeated form must get its first answer even when its own places were the last ones, so what
    # the figures of this page say about the slot is no reason to refuse it: the order desk decides.
    chosen: list[Chosen] | None = None
    problem: DomainError | None = None
    try:
        chosen = basket.chosen(shop, wanted)
    except DomainError as error:
        problem = error
    if form.errors or (chosen is None and not basket.slot_ids):
        return counter.page(form, chosen, status=422, problem=problem)
    try:
        order = OrderInput(
            phone=str(form.get("phone")).strip(),
            tickets=with_slots(tickets, wanted, basket, shop),
            locale=locale_of(request),
        )
        placed = await desk_of(request).place(site.tenant_id, _request_of(site, form, order))
    except IdempotencyMismatch:
        # A browser that went back shows the old form with its old key.
        return counter.page(form, chosen, status=409, problem=FormSentBefore())
    except ABOUT_THE_SLOT as error:
        error.field = "slot"
        fresh = await _shop(site, unit, form)
        again = Counter(request, site, frame, fresh, basket, wanted)
        return again.page(form, None, status=error.status, problem=error)
    except DomainError as error:
        return counter.page(form, chosen, status=error.status, problem=error)
    secret = await unit(secret_of, order_id=placed.id)
    return redirect(request, order_path(site.slug, placed.number, secret))


def _request_of(site: SiteContext, form: Form, order: OrderInput) -> PlaceOrder:
    """The order with the form's own key, under which a second tap gets the first answer."""
    key = str(form.get("idempotency_key") or "") or ids.token(16)
    return PlaceOrder(
        site_id=site.site_id,
        timezone=site.timezone,
        channel=CHANNEL,
        order=order,
        key_hash=key_digest("orders.page", str(site.site_id), key),
        request_hash=request_digest(msgspec.json.encode(order)),
    )


async def secret_of(session: Session, *, order_id: UUID) -> str:
    """What opens an order's page."""
    return order_secret(session.keyring, order_id)


routes = [visitors, place]
