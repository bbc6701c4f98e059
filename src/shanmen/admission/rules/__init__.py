"""Who may enter: one decision, taken alike by the server and by a gate without network.

Everything here is plain arithmetic on facts that the caller has gathered: no clock, no I/O. The
caller says what is known of the ticket (`TicketFacts`), what was presented (`ScanFacts`) and where
and when that happened (`GateState`); :func:`decide` answers.
"""

from shanmen.admission.rules.decide import best, decide, refuse
from shanmen.admission.rules.facts import (
    COMPANION_SECONDS,
    DOCUMENT,
    FREE,
    Decision,
    Entry,
    GateState,
    Names,
    PlaceKey,
    Policy,
    ScanFacts,
    TicketFacts,
)
from shanmen.admission.rules.reasons import (
    CLOSEST_FIRST,
    NOT_OF_NOW,
    NOT_OVERRIDABLE,
    CaseKind,
    Code,
    DocumentCheck,
    Reason,
    text_key,
)

__all__ = [
    "CLOSEST_FIRST",
    "COMPANION_SECONDS",
    "DOCUMENT",
    "FREE",
    "NOT_OF_NOW",
    "NOT_OVERRIDABLE",
    "CaseKind",
    "Code",
    "Decision",
    "DocumentCheck",
    "Entry",
    "GateState",
    "Names",
    "PlaceKey",
    "Policy",
    "Reason",
    "ScanFacts",
    "TicketFacts",
    "best",
    "decide",
    "refuse",
    "text_key",
]
