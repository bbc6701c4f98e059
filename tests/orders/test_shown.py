"""An order that is answered without reading it back says what reading it back says."""

from datetime import timedelta

import msgspec
import pytest

from shanmen.db.session import Database
from shanmen.kit.documents import DocumentKind
from shanmen.orders.desk import OrderDesk
from shanmen.orders.queries import order_by_id
from shanmen.orders.schemas import VisitorInput
from tests.support.park import Park, fresh_people


@pytest.fixture
async def desk(database: Database):
    made = OrderDesk(database, hold=timedelta(seconds=900), max_batch=8, max_queue=64)
    yield made
    await made.close()


async def test_a_new_order_is_shown_as_it_is_read(desk: OrderDesk, database: Database, park: Park):
    family = park.ticket("family")
    request = park.order(park.ticket(), family, park.ticket("bundle"), phone=" 138 0013 8000")

    placed, new = await desk.place_and_show(park.tenant_id, request)

    assert new is not None
    assert new == await database.unit(park.tenant_id)(order_by_id, order_id=placed.id)


async def test_a_name_and_document_typed_oddly_are_shown_as_stored(
    desk: OrderDesk, database: Database, park: Park
):
    ticket = park.ticket()
    visitor = msgspec.structs.replace(
        ticket.visitors[0],
        name="  Ａnna   Lee ",
        document_number=" ".join(ticket.visitors[0].document_number),
    )
    request = park.order(msgspec.structs.replace(ticket, visitors=[visitor]))

    placed, new = await desk.place_and_show(park.tenant_id, request)

    assert new is not None
    assert new == await database.unit(park.tenant_id)(order_by_id, order_id=placed.id)


async def test_a_permit_is_shown_without_its_renewals(
    desk: OrderDesk, database: Database, park: Park
):
    permit = VisitorInput("陈大文", DocumentKind.HK_MACAO_PERMIT, "H1234567802")
    request = park.order(msgspec.structs.replace(park.ticket(), visitors=[permit]))

    placed, new = await desk.place_and_show(park.tenant_id, request)

    assert new is not None
    assert new.tickets[0].visitors[0].document_number == "H12****78"
    assert new == await database.unit(park.tenant_id)(order_by_id, order_id=placed.id)


async def test_a_repeated_request_is_not_new(desk: OrderDesk, park: Park):
    request = park.order(park.ticket(people=fresh_people(1)), key=b"k" * 16)

    first, new = await desk.place_and_show(park.tenant_id, request)
    second, again = await desk.place_and_show(park.tenant_id, request)

    assert new is not None
    assert (first, again) == (second, None)
