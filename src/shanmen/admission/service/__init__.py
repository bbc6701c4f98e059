"""Use cases at the gate: admit, override, undo, lanes and each site's rules."""

from shanmen.admission.service.batch import Outcome, admit, admit_one
from shanmen.admission.service.correct import override, undo
from shanmen.admission.service.lanes import change_lane, create_lane
from shanmen.admission.service.policy import set_policy

__all__ = [
    "Outcome",
    "admit",
    "admit_one",
    "change_lane",
    "create_lane",
    "override",
    "set_policy",
    "undo",
]
