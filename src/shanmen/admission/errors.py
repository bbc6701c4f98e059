"""What the gate's use cases refuse; a refused visitor is a decision, not an error."""

from shanmen.kit.errors import DomainError


class LaneUnknown(DomainError):
    """There is no such lane."""

    code = "admission.lane_unknown"
    status = 404


class EntranceUnknown(DomainError):
    """There is no such entrance."""

    code = "admission.entrance_unknown"
    status = 404


class SiteUnknown(DomainError):
    """There is no such site, or it has no entrance."""

    code = "admission.site_unknown"
    status = 404


class ScanUnknown(DomainError):
    """No scan has this id."""

    code = "admission.scan_unknown"
    status = 404


class NothingScanned(DomainError):
    """The scan is empty."""

    code = "admission.nothing_scanned"
    status = 422


class NotRefused(DomainError):
    """The scan was admitted; there is nothing to override."""

    code = "admission.not_refused"
    status = 409


class CannotOverride(DomainError):
    """Without a paid ticket nobody can be let in by override."""

    code = "admission.cannot_override"
    status = 409


class NotAdmitted(DomainError):
    """The scan was refused; there is nothing to undo."""

    code = "admission.not_admitted"
    status = 409


class UndoTooLate(DomainError):
    """Admissions are undone on their own day only."""

    code = "admission.undo_too_late"
    status = 409


class ReasonMissing(DomainError):
    """An override or an undo needs a reason in words."""

    code = "admission.reason_missing"
    status = 422


class TooManyPersons(DomainError):
    """More persons than the ticket's party; ``params``: ``limit``."""

    code = "admission.too_many_persons"
    status = 422


class BadDirection(DomainError):
    """A lane is passed in, out or both ways."""

    code = "admission.bad_direction"
    status = 422


class NoLaneNumberLeft(DomainError):
    """An entrance has so many lanes already; ``params``: ``limit``."""

    code = "admission.no_lane_number_left"
    status = 409


class ZoneMissing(DomainError):
    """There is no such zone."""

    code = "admission.zone_missing"
    status = 404


class DeviceUnknown(DomainError):
    """There is no such gate."""

    code = "admission.device_unknown"
    status = 401


class DeviceRevoked(DomainError):
    """The gate's rights were taken away; it forgets everything when it hears so."""

    code = "admission.device_revoked"
    status = 401


class DeviceClock(DomainError):
    """The gate's clock is too far off; it is told the right time and asks again."""

    code = "admission.device_clock"
    status = 401


class RequestRepeated(DomainError):
    """The gate's request was taken before, or came far too late; it asks with a higher count."""

    code = "admission.request_repeated"
    status = 409


class BadGateSignature(DomainError):
    """The request was not signed with the gate's key."""

    code = "admission.gate_signature"
    status = 401


class BadGateRequest(DomainError):
    """The request's body is not what it must be."""

    code = "admission.gate_request"
    status = 422


class EnrolCode(DomainError):
    """The one-time code is wrong, over, or was used by another gate."""

    code = "admission.enrol_code"
    status = 403


class LaneElsewhere(DomainError):
    """The lane does not belong to the gate's entrance."""

    code = "admission.lane_elsewhere"
    status = 403


class JournalGap(DomainError):
    """Rows of a gate's journal are missing before those it sent; ``params``: ``wanted``."""

    code = "admission.journal_gap"
    status = 409


class DeviceNameMissing(DomainError):
    """A gate needs a name; ``params``: ``limit``."""

    code = "admission.device_name_missing"
    status = 422


class DeviceMissing(DomainError):
    """There is no such gate, or it is not in the state that this is for."""

    code = "admission.device_missing"
    status = 404


class BlockUnknown(DomainError):
    """There is no such entry in the list of blocked documents."""

    code = "admission.block_unknown"
    status = 404


class TicketTypeUnknown(DomainError):
    """The site has no such ticket type."""

    code = "admission.ticket_type_unknown"
    status = 404


class BadStaticRule(DomainError):
    """A code that does not change is free, or asks for a document."""

    code = "admission.bad_static_rule"
    status = 422


class BadCommand(DomainError):
    """Gates know no such command, or it is for one lane and none is named."""

    code = "admission.bad_command"
    status = 422


class MessageMissing(DomainError):
    """A message to a lane has words."""

    code = "admission.message_missing"
    status = 422


class CaseUnknown(DomainError):
    """There is no such case."""

    code = "admission.case_unknown"
    status = 404


class NoteMissing(DomainError):
    """A case is closed with a note that says what was found."""

    code = "admission.note_missing"
    status = 422


class OutOfRange(DomainError):
    """A setting lies outside its range; ``params``: ``low``, ``high``."""

    code = "admission.out_of_range"
    status = 422
