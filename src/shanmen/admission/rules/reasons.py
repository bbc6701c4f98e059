"""Why somebody is refused, what was presented, and what people have to look at afterwards."""

from collections.abc import Mapping
from enum import StrEnum

from shanmen.tickets.rotating import Outcome, RotatingVerdict


class Reason(StrEnum):
    """Why somebody is refused; texts: ``admission.reason.<code>``, ``admission.tell.<code>``."""

    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    BAD_SIGNATURE = "bad_signature"
    DOCUMENT_MISTYPED = "document_mistyped"
    """No document has this number: its check digit does not fit, say."""
    NO_TICKET_TODAY = "no_ticket_today"
    UNPAID = "unpaid"
    REFUNDED = "refunded"
    REPLACED = "replaced"
    WRONG_SITE = "wrong_site"
    WRONG_ZONE = "wrong_zone"
    WRONG_ENTRANCE = "wrong_entrance"
    ALREADY_USED = "already_used"
    ALL_IN = "all_in"
    TOO_MANY = "too_many"
    NOT_OPEN_YET = "not_open_yet"
    TOMORROW = "tomorrow"
    OTHER_DAY = "other_day"
    SLOT_OVER = "slot_over"
    NOT_AT_THIS_HOUR = "not_at_this_hour"
    """The ticket's hours admit today, and not now."""
    NOT_ON_THIS_DAY = "not_on_this_day"
    """The ticket's hours leave out this day of the week, or this kind of day."""
    EXPIRED = "expired"
    DOCUMENT_MISMATCH = "document_mismatch"
    DOCUMENT_REQUIRED = "document_required"
    CODE_STALE = "code_stale"
    CODE_AHEAD = "code_ahead"
    """The phone that shows the code is ahead of the time."""
    TOO_SOON = "too_soon"
    LANE_CLOSED = "lane_closed"
    BLOCKED = "blocked"
    STILL_INSIDE = "still_inside"
    COMPANION_MISSING = "companion_missing"
    ZONE_FULL = "zone_full"
    DOCUMENTS_UNREADABLE = "documents_unreadable"
    """This gate cannot match documents: it lost power, and has not reached the server since."""
    GATE_STOPPED = "gate_stopped"
    """The gate stopped before anything was decided; no rule says so, its journal does."""


class CaseKind(StrEnum):
    """What a person has to look at once gates have told; texts: ``admission.case.<kind>``."""

    DOUBLE_ENTRY = "double_entry"
    """More persons entered with a ticket than it admits."""
    AFTER_REFUND = "after_refund"
    OLD_GENERATION = "old_generation"
    """With a code from before the ticket was rescheduled."""
    BLOCKED = "blocked"
    DOCUMENT_MISMATCH = "document_mismatch"
    """The gate did not know whom the ticket names, and the document shown is none of theirs."""
    SERVER_REFUSED = "server_refused"
    """The gate admitted what the server had refused."""
    UNKNOWN_TICKET = "unknown_ticket"
    FOREIGN_SCAN = "foreign_scan"
    """The gate told of a scan that is another gate's."""


class Code(StrEnum):
    """What was presented to prove the ticket."""

    STATIC = "static"
    """A signed code without a part that changes: paper, SMS, a screenshot."""
    FRESH = "fresh"
    """A signed code whose changing part is of this half minute."""
    STALE = "stale"
    """A signed code whose changing part is old: most likely a picture of a code."""
    AHEAD = "ahead"
    """A signed code whose changing part is of later: a phone whose clock is fast."""
    TYPED = "typed"
    """The ticket's short number, typed by the guard."""
    DOCUMENT = "document"
    """A document of one of its holders, without any code."""
    MISTYPED = "mistyped"
    """What was typed for a document's number can be none's."""
    FORGED = "forged"
    """A code that this operator did not sign."""
    UNREADABLE = "unreadable"
    """Not a code of ours at all."""

    @classmethod
    def of_changing(cls, verdict: RotatingVerdict) -> "Code":
        """What a code is by its part that changes."""
        if verdict.fresh:
            return cls.FRESH
        return cls.AHEAD if verdict.outcome is Outcome.FROM_FUTURE else cls.STALE


class DocumentCheck(StrEnum):
    """How a document that was shown beside the code fits the ticket's holders."""

    NOT_SHOWN = "not_shown"
    MATCHES = "matches"
    DIFFERS = "differs"
    UNREADABLE = "unreadable"
    """Shown, and this gate cannot tell whose it is."""


NOT_OVERRIDABLE = frozenset(
    {
        Reason.UNREADABLE,
        Reason.UNKNOWN,
        Reason.BAD_SIGNATURE,
        Reason.DOCUMENT_MISTYPED,
        Reason.NO_TICKET_TODAY,
        Reason.UNPAID,
        Reason.REFUNDED,
        Reason.LANE_CLOSED,
        Reason.GATE_STOPPED,
    }
)
"""Without a paid ticket there is nothing that a supervisor could let in."""

NO_TICKET = {
    Code.UNREADABLE: Reason.UNREADABLE,
    Code.FORGED: Reason.BAD_SIGNATURE,
    Code.MISTYPED: Reason.DOCUMENT_MISTYPED,
}

NOT_OF_NOW = {
    Code.STALE: Reason.CODE_STALE,
    Code.AHEAD: Reason.CODE_AHEAD,
}
"""What a changing code proves nothing by, unless a document stands beside it."""

CLOSEST_FIRST = (
    Reason.DOCUMENT_REQUIRED,
    Reason.DOCUMENTS_UNREADABLE,
    Reason.CODE_STALE,
    Reason.CODE_AHEAD,
    Reason.COMPANION_MISSING,
    Reason.ZONE_FULL,
    Reason.TOO_SOON,
    Reason.TOO_MANY,
    Reason.STILL_INSIDE,
    Reason.NOT_OPEN_YET,
    Reason.NOT_AT_THIS_HOUR,
    Reason.WRONG_ENTRANCE,
    Reason.WRONG_ZONE,
    Reason.ALL_IN,
    Reason.ALREADY_USED,
    Reason.SLOT_OVER,
    Reason.NOT_ON_THIS_DAY,
    Reason.TOMORROW,
    Reason.OTHER_DAY,
    Reason.WRONG_SITE,
    Reason.REPLACED,
    Reason.EXPIRED,
    Reason.BLOCKED,
    Reason.UNPAID,
    Reason.REFUNDED,
)
"""Of several tickets of one person, the refusal nearest to an admission explains best."""

_KNOWN_PLACE = frozenset({Reason.ALREADY_USED, Reason.ALL_IN, Reason.STILL_INSIDE})
_HOURS = frozenset({Reason.NOT_AT_THIS_HOUR, Reason.NOT_ON_THIS_DAY})


def text_key(reason: str, params: Mapping[str, object]) -> str:
    """Key of the sentences for a refusal, under ``reason`` and ``tell``: there are variants.

    What an older system handed over knows that a ticket is used, but not when and where. Hours say
    when they admit next, if they do, and which kind of day they leave out.
    """
    if reason in _KNOWN_PLACE and not params.get("place"):
        return f"{reason}_plain"
    if reason in _HOURS and not params.get("at"):
        return f"{reason}_last"
    kind = params.get("day_kind")
    return f"{reason}_{kind}" if reason == Reason.NOT_ON_THIS_DAY and kind else reason
