"""How the stand-in misbehaves: for everyone (`Faults`), or in sending one event (`Manner`)."""

import random
from enum import StrEnum
from typing import Annotated

import msgspec

from shanmen.payments.providers.sandbox_wire import RefundStatus

Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Copies = Annotated[int, msgspec.Meta(ge=1, le=100)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Operation(StrEnum):
    """The calls of the merchant's API that a fault can be set on."""

    CREATE = "create"
    QUERY = "query"
    CLOSE = "close"
    REFUND = "refund"
    QUERY_REFUND = "query_refund"
    BILL = "bill"


class Moment(StrEnum):
    """Whether a call that fails has taken effect."""

    BEFORE = "before"
    AFTER = "after"


class Manner(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """How one event is sent to the merchant.

    ``copies`` go out at the same moment; ``delay_seconds`` pass first; a ``lost`` event is never
    sent, so that only a query tells; ``bad_signature`` and ``stale`` spoil every attempt.
    """

    copies: Copies = 1
    delay_seconds: Seconds = 0
    lost: bool = False
    bad_signature: bool = False
    stale: bool = False


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The misbehaviour of the whole stand-in; the default is none.

    ``latency_ms`` is added to every answer. ``hang`` names calls that give no answer for
    ``hang_seconds``, and whether they take effect. ``error_rate`` of the calls in ``error_on``
    (all, if empty) answer 500, drawn from ``seed`` so that a run repeats. ``callbacks`` is the
    manner of every event that asks for none of its own. ``lie_fen`` is added to the amount said to
    be received. ``refund_status`` is the first answer to a refund; one in process ends as
    ``refund_outcome`` after ``refund_seconds``, or when control says so if that is None.
    ``retry_scale`` stretches the back-off.
    """

    seed: int = 0
    latency_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0
    hang: dict[Operation, Moment] = {}
    hang_seconds: Seconds = 30
    error_rate: Rate = 0
    error_on: tuple[Operation, ...] = ()
    error_moment: Moment = Moment.BEFORE
    unsigned_answers: bool = False
    callbacks: Manner = Manner()
    lie_fen: int = 0
    refund_status: RefundStatus = RefundStatus.SUCCESS
    refund_outcome: RefundStatus = RefundStatus.SUCCESS
    refund_seconds: Seconds | None = 2
    retry_scale: Annotated[float, msgspec.Meta(gt=0, le=100)] = 1

    def __post_init__(self) -> None:
        if self.refund_outcome is RefundStatus.PROCESSING:
            raise ValueError("refund_outcome is SUCCESS or ABNORMAL.")


class Dice:
    """Draws which calls fail; the same seed draws the same."""

    def __init__(self, faults: Faults) -> None:
        self._random = random.Random(faults.seed)  # noqa: S311 - it must repeat, not be secret.

    def fails(self, faults: Faults, operation: Operation) -> bool:
        """Tell whether this call is to answer 500."""
        if faults.error_rate == 0 or (faults.error_on and operation not in faults.error_on):
            return False
        return self._random.random() < faults.error_rate
