"""What a lane's screen has to say, before it is put into anybody's language."""

from collections.abc import Callable
from typing import Literal
from uuid import UUID

from msgspec import Struct

from shanmen.admission.protocol import Answer, Instant

Kind = Literal["auto", "code", "document", "number"]
What = Literal["answer", "passed", "given_back", "undone", "fault", "walked", "unseen"]


class Shown(Struct, frozen=True, kw_only=True):
    """Something that a lane's screen has to say."""

    lane_id: UUID
    at: Instant
    what: What
    answer: Answer | None = None
    kind: Kind = "auto"
    direction: str = "in"
    persons: int = 0
    """Of whom it speaks: given back, still to pass, or walked through unasked."""
    error: str = ""
    """Code of a fault."""
    override_by: str = ""


Show = Callable[[Shown], None]
