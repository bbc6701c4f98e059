"""What a gate's journal may call a document, and what the server makes of it."""

from uuid import UUID

import pytest

from shanmen.admission.service import shown
from shanmen.admission.service.devices import document_key
from shanmen.edge.presented import document_marks
from shanmen.kit.crypto import Keyring

KEYRING = Keyring(b"k" * 32)
SITE, TICKET = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("11010519491231002X", "11010519491231002x"),
        ("E12345678", "e1234 5678"),
        # A permit's card counts its renewals behind the person's number; a passport may look alike.
        ("H12345678", "H1234567801"),
        ("H1234567801", "H1234567801"),
        ("12345678", "12345678"),
    ],
)
@pytest.mark.parametrize("turn", [0, 2])
def test_the_first_mark_of_what_was_shown_is_known(number: str, text: str, turn: int):
    rows = [(TICKET, KEYRING.encrypt(number, field="holder.document"), 7)]
    known = shown.marks(KEYRING, rows, site_id=SITE, turn=2)
    told = document_marks(text, [document_key(KEYRING, SITE, turn)])[0].mark
    assert known[TICKET][told] == 7


def test_nobody_elses_mark_is_known():
    rows = [(TICKET, KEYRING.encrypt("E12345678", field="holder.document"), 7)]
    known = shown.marks(KEYRING, rows, site_id=SITE, turn=0)
    key = document_key(KEYRING, SITE, 0)
    assert document_marks("E12345679", [key])[0].mark not in known[TICKET]
    # A key that the site's gates have not had yet.
    later = document_key(KEYRING, SITE, 1)
    assert document_marks("E12345678", [later])[0].mark not in known[TICKET]
