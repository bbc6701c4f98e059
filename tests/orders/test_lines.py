"""What an order keeps of its tickets: what is usual is not written, and old rows are read."""

import json
from datetime import UTC, date, datetime
from uuid import UUID

import msgspec

from shanmen.catalog.rules import RefundRule
from shanmen.orders.rules import Line, lines_from

SLOT, RIDE = UUID(int=3), UUID(int=4)
LINE = Line(
    ticket_id=UUID(int=1),
    ticket_type_id=UUID(int=2),
    draws=[(SLOT, 1), (RIDE, 2)],
    price_fen=8000,
    zones=3,
    visit_day=date(2026, 5, 1),
    valid_from=datetime(2026, 5, 1, 0, 30, tzinfo=UTC),
    valid_until=datetime(2026, 5, 1, 4, 0, tzinfo=UTC),
)


def test_the_first_place_is_the_visits() -> None:
    assert LINE.slot_id == SLOT
    assert LINE.slot_ids == [SLOT, RIDE]


def test_what_is_usual_is_not_written() -> None:
    written = msgspec.json.encode([LINE]).decode()
    assert set(json.loads(written)[0]) == {
        "ticket_id", "ticket_type_id", "draws", "price_fen", "zones", "visit_day", "valid_from",
        "valid_until",
    }  # fmt: skip
    assert lines_from(written) == [LINE]


def test_what_is_unusual_is() -> None:
    other = msgspec.structs.replace(LINE, entries=0, party_size=5, flags=3, refunded=True)
    assert lines_from(msgspec.json.encode([other]).decode()) == [other]


def test_an_order_that_was_written_with_everything_is_read() -> None:
    whole = json.loads(msgspec.json.encode(LINE)) | {
        "slot_ids": [str(SLOT), str(RIDE)],
        "party_size": 1,
        "entries": 1,
        "flags": 0,
        "refunded": False,
        "refund": json.loads(msgspec.json.encode(RefundRule())),
    }
    assert lines_from(json.dumps([whole])) == [LINE]
