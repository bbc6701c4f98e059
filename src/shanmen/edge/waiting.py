"""What waits at a lane: something that was presented, and somebody who was admitted."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from shanmen.admission.protocol import Answer
from shanmen.edge.agent import Direction, Kind
from shanmen.edge.store import StoreBroken
from shanmen.kit.errors import DomainError
from shanmen.tickets.token import looks_like_token

_LONGEST_DOCUMENT = 40


@dataclass(slots=True)
class Presented:
    """What somebody presents; `done` has the answer."""

    text: str
    kind: Kind = "auto"
    document: str = ""
    persons: int | None = None
    direction: Direction | None = None
    staff: str = ""
    scan_id: UUID | None = None
    done: "asyncio.Future[Answer]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(slots=True)
class Admitted:
    """An admission on its way through the barrier."""

    answer: Answer
    left: int
    undone: bool = False

    def over(self) -> bool:
        """Whether nobody is to be let through any more."""
        return self.undone


def may_be_document(presented: Presented) -> bool:
    """Whether this can be the document of the code before it: short, and no ticket."""
    if presented.kind == "document":
        return True
    text = presented.text
    return (
        presented.kind == "auto" and len(text) <= _LONGEST_DOCUMENT and not looks_like_token(text)
    )


def code_of(error: DomainError | StoreBroken) -> str:
    """What the page explains it by."""
    return error.code if isinstance(error, DomainError) else "page.store"


def fail(presented: Presented, error: BaseException) -> None:
    """Tell whoever waits for the answer that there is none."""
    if presented.done.done():
        return
    presented.done.set_exception(error)
    # A reader's scan has nobody who asks for the answer.
    presented.done.exception()
