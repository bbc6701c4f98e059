"""Whether a ticket's type admits at this hour of this day."""

from collections.abc import Mapping
from datetime import timedelta

from shanmen.admission.rules.facts import GateState, ScanFacts, TicketFacts
from shanmen.admission.rules.reasons import Reason
from shanmen.kit import hours
from shanmen.kit.days import DayKind


def outside_hours(
    ticket: TicketFacts, _: ScanFacts, gate: GateState
) -> tuple[Reason, Mapping[str, object]] | None:
    """Refuse where the ticket's hours leave out this moment; None where they do not.

    They are hours of arrival. Whoever came in them may come back on that day, and go on to another
    zone, where the ticket admits more than once. The site's grace holds for them as for slots.
    """
    if not ticket.hours:
        return None
    policy = gate.policy
    grace = {"before": policy.grace_before, "after": policy.grace_after}
    if hours.days_open(ticket.hours, gate.now, gate.timezone, gate.kind_of, **grace):
        return None
    if _came_today(ticket, gate):
        return None
    today = gate.day(gate.now)
    params = _next(ticket, gate)
    if any(window.speaks_of(today, gate.kind_of) for window in ticket.hours):
        return Reason.NOT_AT_THIS_HOUR, params
    kind = gate.kind_of(today)
    if _left_out(ticket, kind):
        params["day_kind"] = kind.value
    return Reason.NOT_ON_THIS_DAY, params


def _came_today(ticket: TicketFacts, gate: GateState) -> bool:
    last = ticket.last_entry
    if not ticket.comes_again or last is None:
        return False
    today = gate.day(gate.now)
    if gate.day(last.at) != today:
        return False
    policy = gate.policy
    came = hours.days_open(
        ticket.hours,
        last.at,
        gate.timezone,
        gate.kind_of,
        before=policy.grace_before,
        after=policy.grace_after,
    )
    # Who came after midnight, in the hours of the day before, has not come in those of today.
    return not came or today in came


def _left_out(ticket: TicketFacts, kind: DayKind) -> bool:
    return all(window.day_kinds and kind not in window.day_kinds for window in ticket.hours)


def _next(ticket: TicketFacts, gate: GateState) -> dict[str, object]:
    """When the ticket admits next, as far as it is valid then."""
    after = max(gate.now, ticket.valid_from - timedelta(microseconds=1))
    opening = hours.next_opening(
        ticket.hours, after, ticket.valid_until, gate.timezone, gate.kind_of
    )
    if opening is None:
        return {}
    starts, ends = opening.starts, opening.ends
    return {"at": starts, "day": opening.day, "starts": starts, "ends": ends}
