"""What a ticket type draws on."""

from dataclasses import dataclass
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from shanmen.catalog.queries import ticket_type
from shanmen.catalog.rules import TicketTypeInfo, fingerprint
from shanmen.db.session import Session, Unit
from shanmen.inventory import queries
from shanmen.inventory.pages.common import EDIT_CATALOG, READ, AnyRequest, Page
from shanmen.inventory.queries import PoolView
from shanmen.inventory.schemas import DrawSpec, draw_problems
from shanmen.inventory.service.follow import change_stock
from shanmen.inventory.service.pools import caps_of
from shanmen.kit.errors import DomainError
from shanmen.sites.queries import SignedIn
from shanmen.web.forms import Form
from shanmen.web.render import page, redirect
from shanmen.web.rows import with_blank_rows, with_errors, without_blank_rows


class DrawRow(msgspec.Struct, kw_only=True):
    """A pool, and how much of it each ticket takes."""

    pool_id: UUID
    quantity: int = 1
    cap: int | None = None


class StockForm(msgspec.Struct, kw_only=True):
    """All pools that a ticket type draws on; the first sets the visit's slot."""

    draws: list[DrawRow] = msgspec.field(default_factory=list)
    seen: str = ""

    def specs(self) -> list[DrawSpec]:
        """As the services take it."""
        return [
            DrawSpec(pool_id=row.pool_id, quantity=row.quantity, cap=row.cap) for row in self.draws
        ]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A ticket type with the pools it can draw on."""

    info: TicketTypeInfo
    pools: list[PoolView]
    caps: dict[UUID, int]


async def drawing(session: Session, *, product_id: UUID) -> Drawing:
    """A ticket type and its site's pools; raises TicketTypeNotFound."""
    info = await ticket_type(session, ticket_type_id=product_id)
    return Drawing(
        info,
        await queries.pools(session, site_id=info.site_id),
        await caps_of(session, ticket_type_id=product_id),
    )


def _filled(found: Drawing) -> Form:
    info = found.info
    rows = [
        {"pool_id": str(d.pool_id), "quantity": d.quantity, "cap": found.caps.get(d.pool_id)}
        for d in info.draws
    ]
    if not rows and len(found.pools) == 1:
        # With one pool there is little to choose: one click is enough.
        rows = [{"pool_id": str(found.pools[0].id), "quantity": info.party_size, "cap": None}]
    form = Form.blank({"draws": rows, "seen": fingerprint(info)})
    spare = 1 if len(rows) < len(found.pools) else 0
    return with_blank_rows(form, "draws", more=spare)


def _show(
    request: AnyRequest, staff: SignedIn, found: Drawing, form: Form, *, status: int = 200
) -> Page:
    return page(
        request,
        "inventory/stock.html",
        status=status,
        info=found.info,
        pools=found.pools,
        form=form,
        may_edit="catalog.edit" in staff.permissions,
    )


@get("/console/products/{product_id:uuid}/stock", guards=READ, include_in_schema=False)
async def stock_page(
    request: AnyRequest,
    product_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Show which pools a ticket type draws on."""
    found = await unit(drawing, product_id=product_id)
    return _show(request, staff, found, _filled(found))


@post(
    "/console/products/{product_id:uuid}/stock",
    guards=EDIT_CATALOG,
    include_in_schema=False,
    status_code=200,
)
async def save_stock(
    request: AnyRequest,
    product_id: FromPath[UUID],
    staff: NamedDependency[SignedIn],
    unit: NamedDependency[Unit],
) -> Page:
    """Save which pools a ticket type draws on, and go on to its prices if it has none."""
    form = without_blank_rows(await Form.read(request), "draws", "pool_id")
    found = await unit(drawing, product_id=product_id)
    status = 422
    try:
        wish = form.into(StockForm)
        problems = draw_problems(wish.specs())
        form = with_errors(form, *problems)
        if not problems:
            await change_stock(
                unit, ticket_type_id=product_id, draws=wish.specs(), seen=wish.seen or None
            )
            url = f"/console/products/{product_id}/{'stock' if found.info.prices else 'prices'}"
            return redirect(request, url, flash="web.saved")
    except DomainError as error:
        form, status = with_errors(form, error), error.status
    return _show(request, staff, found, with_blank_rows(form, "draws", more=1), status=status)


routes = [stock_page, save_stock]
