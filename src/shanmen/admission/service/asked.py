"""A gate's question as a scan, and the decision as its answer."""

from msgspec import structs

from shanmen.admission.protocol import Answer, AskRequest
from shanmen.admission.schemas import DecisionView, GateScan
from shanmen.admission.service.devices import Device


def scan_of(wish: AskRequest, *, device: Device) -> GateScan:
    """The scan that a gate asks about."""
    return GateScan(
        scan_id=wish.scan_id,
        lane_id=wish.lane_id,
        code=wish.code,
        kind=wish.kind,
        document=wish.document,
        persons=wish.persons,
        direction=wish.direction,
        staff=wish.staff or device.name,
        device_id=device.id,
        companions=tuple(wish.companions),
    )


def answer_of(view: DecisionView) -> Answer:
    """What the gate is told; an admission that was taken back meanwhile is none."""
    said = Answer(
        scan_id=view.scan_id,
        outcome="admitted" if view.admitted else "refused",
        persons=view.persons,
        persons_left=view.persons_left,
        party_size=view.party_size,
        reason=view.reason,
        params=view.params,
        override_allowed=view.override_allowed,
        ticket_id=view.ticket_id.bytes if view.ticket_id else None,
        ticket_number=view.ticket_number,
        type_number=view.ticket_type_number,
        names=view.names,
    )
    return said if view.admitted else structs.replace(said, persons=0)
