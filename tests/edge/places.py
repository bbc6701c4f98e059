"""A place as a server describes it to a gate."""

from collections.abc import Sequence

from shanmen.admission.protocol import (
    EntranceInfo,
    LaneInfo,
    PlaceInfo,
    Rules,
    Setup,
    TypeInfo,
    ZoneState,
)
from shanmen.edge.states import LaneState


def setup_of(lanes: Sequence[LaneState], *, passage_seconds: float = 8) -> Setup:
    gate = {"zh-CN": "南门", "en": "South gate"}
    return Setup(
        timezone="Asia/Shanghai",
        site=PlaceInfo(number=1, name={"zh-CN": "云岭", "en": "Yunling"}),
        entrance=1,
        zone=0,
        lanes=[
            LaneInfo(id=lane.id, number=lane.number, name=lane.name, direction="in", open=True)
            for lane in lanes
        ],
        sites=[PlaceInfo(number=1, name={"zh-CN": "云岭", "en": "Yunling"})],
        zones=[PlaceInfo(number=0, name=gate)],
        entrances=[EntranceInfo(number=1, name=gate, zone=0)],
        types=[
            TypeInfo(number=1, name={"zh-CN": "成人票", "en": "Adult ticket"}, audience="adult")
        ],
        zone_states=[ZoneState(number=0, inside=0)],
        # A test does not wait for whole seconds.
        rules=Rules(passage_seconds=passage_seconds),  # type: ignore[arg-type]
        signing_keys={},
        day_keys={},
        document_key=b"k" * 32,
        blocked=[],
    )
