"""Who comes, and what became of the day."""

from dataclasses import dataclass, field

from shanmen.sim.park import Ticket


@dataclass(slots=True)
class Figures:
    """What happened on a day."""

    visitors: int = 0
    admissions: int = 0
    partitions: int = 0
    power_losses: int = 0
    conflicts: int = 0
    wrong: list[str] = field(default_factory=list)
    trace: str = ""
    """Hash of everything that happened, in order."""
    lines: list[str] = field(default_factory=list)
    """All of it, by the true clock (UTC)."""


@dataclass(slots=True)
class Visitor:
    """Somebody on the way in (or out)."""

    ticket: Ticket | None
    shows: str
    """code, old, picture, document, forged, or out."""
    at: int
    """Number of the entrance."""
    lane: int
    persons: int | None = None
    tries: int = 0
    text: str = ""

    @property
    def honest(self) -> bool:
        """Whether the owner shows what ought to open the barrier."""
        return self.shows in {"code", "document"}
