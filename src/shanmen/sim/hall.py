"""The hall, which holds so many at once: what each of its gates may let in without the server."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shanmen.admission.service.zones import CUT_OFF_AFTER
from shanmen.sim.park import HALL_HOLDS
from shanmen.sim.people import Passage, Passages, net

_CLOCKS = timedelta(seconds=2)


@dataclass(slots=True)
class Told:
    """What a gate was told that it may let in alone."""

    at: datetime
    share: int
    base: int
    """Who had taken room there until then."""
    sure: bool
    """Nothing was left open by a power cut at that moment."""


@dataclass(slots=True)
class Hall:
    """Keeps an eye on the hall's maximum.

    While all gates are connected it is exact. A gate that is cut off may let in its share. In the
    seconds before the server counts a gate as cut off it still gives away what that gate may let
    in too: `excused` adds up how many that were.
    """

    told: dict[str, Told] = field(default_factory=dict)
    excused: int = 0

    def hear(self, entrance: str, share: int, *, at: datetime, passages: Passages) -> None:
        """A gate has been told its share."""
        if entrance in self.told:
            self.excused += self._overlap(entrance, passages)
        own = passages.at(entrance)
        sure = not any(each.unclear for each in own)
        self.told[entrance] = Told(at, share, _taken(own), sure=sure)

    def doubt(self, entrance: str) -> None:
        """The lights went out while a gate was being told: which share it has nobody knows."""
        if entrance in self.told:
            self.told[entrance].sure = False

    def admitted(self, passage: Passage, passages: Passages) -> str:
        """Somebody was let in: why that was too many, if it was."""
        if passage.entrance not in self.told or passage.direction != "in" or passage.override:
            return ""
        told, own = self.told[passage.entrance], passages.at(passage.entrance)
        taken = _taken(own) - told.base
        sure = told.sure and not any(each.unclear for each in own)
        if passage.alone and sure and taken > told.share:
            return f"as number {taken} of a share of {told.share}"
        ways = [each for name in self.told for each in passages.at(name)]
        entered = [each for each in ways if each.direction == "in"]
        guests = sum(each.counts for each in entered if each.override)
        # Whom a gate believed not to have entered after a power cut it let in anew.
        again = sum(each.persons for each in entered if each.crashed)
        inside = net(ways) - guests
        overlap = sum(self._overlap(name, passages) for name in self.told)
        allowed = HALL_HOLDS + self.excused + again + overlap
        return f"as number {inside} into a hall for {allowed}" if inside > allowed else ""

    def inside(self, passages: Passages) -> int:
        """How many are really there."""
        return net([each for name in self.told for each in passages.at(name)])

    def full_for(self, entrance: str, persons: int, passages: Passages) -> bool:
        """Whether a gate that decides alone may say that there is no room for so many."""
        told, own = self.told.get(entrance), passages.at(entrance)
        if told is None or not told.sure or any(each.unclear for each in own):
            return True
        return _taken(own) - told.base + persons > told.share

    def _overlap(self, entrance: str, passages: Passages) -> int:
        """How many places both this gate alone and others with the server may have given away."""
        told = self.told[entrance]
        since = [each for each in passages.at(entrance) if each.at > told.at]
        alone = sum(each.persons for each in since if each.alone and each.direction == "in")
        # That the server hears of the gate does not help: it keeps free what the gate may let in
        # from so long after the last answer that reached it.
        until = told.at + CUT_OFF_AFTER + _CLOCKS
        given = sum(
            each.persons
            for name in self.told
            for each in passages.at(name)
            if each.direction == "in" and told.at <= each.at <= until
        )
        return min(alone, given)


def _taken(passages: list[Passage]) -> int:
    """Who took room by one gate.

    Who left with the server's knowing, or perhaps with it, made room for whomever the server lets
    in: not for this gate.
    """
    return net([each for each in passages if each.direction == "in" or each.frees])
