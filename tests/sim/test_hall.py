"""The auditor's eye on the hall: what is too many, and what may be."""

from datetime import UTC, datetime, timedelta

from shanmen.kit import ids
from shanmen.sim.hall import Hall
from shanmen.sim.park import HALL_HOLDS
from shanmen.sim.people import Passage, Passages

START = datetime(2026, 5, 1, tzinfo=UTC)


class World:
    def __init__(self, *, share: int = 4) -> None:
        self.hall, self.passages = Hall(), Passages()
        for name in ("Stairs", "Lift"):
            self.hall.hear(name, share, at=START, passages=self.passages)

    def enter(self, name: str, persons: int, *, second: int, alone: bool, way: str = "in") -> str:
        at = START + timedelta(seconds=second)
        passage = Passage(None, way, at, name, persons=persons, through=persons, alone=alone)
        self.passages.add(ids.new_id(), passage)
        return self.hall.admitted(passage, self.passages)


def test_exact_while_the_server_decides():
    world = World()
    assert world.enter("Stairs", HALL_HOLDS, second=60, alone=False) == ""
    assert "into a hall" in world.enter("Lift", 1, second=61, alone=False)


def test_who_leaves_makes_room():
    world = World()
    world.enter("Stairs", HALL_HOLDS, second=60, alone=False)
    world.enter("Lift", 2, second=61, alone=False, way="out")
    assert world.enter("Lift", 2, second=62, alone=False) == ""


def test_alone_a_gate_has_its_share():
    world = World()
    assert world.enter("Stairs", 4, second=60, alone=True) == ""
    assert world.hall.full_for("Stairs", 1, world.passages)
    assert not world.hall.full_for("Lift", 4, world.passages)
    assert "a share of 4" in world.enter("Stairs", 1, second=61, alone=True)


def test_shares_are_not_given_out_twice():
    world = World(share=HALL_HOLDS)
    assert world.enter("Stairs", HALL_HOLDS, second=60, alone=True) == ""
    assert "into a hall" in world.enter("Lift", 1, second=61, alone=True)


def test_the_seconds_before_a_gate_counts_as_cut_off_are_excused():
    world = World()
    world.enter("Stairs", HALL_HOLDS, second=5, alone=False)
    assert world.enter("Lift", 4, second=60, alone=True) == ""
    # Once it was told anew there is nothing to excuse any more.
    world.hall.hear("Lift", 0, at=START + timedelta(seconds=90), passages=world.passages)
    assert "a share of 0" in world.enter("Lift", 1, second=120, alone=True)


def test_guests_are_not_counted_against_the_maximum():
    world = World()
    guest = Passage(None, "in", START, "Lift", persons=3, through=3, override=True)
    world.passages.add(ids.new_id(), guest)
    assert world.hall.admitted(guest, world.passages) == ""
    assert world.enter("Stairs", HALL_HOLDS, second=60, alone=False) == ""
