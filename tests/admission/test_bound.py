"""The bound on entries with one ticket: never exceeded, and reached."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shanmen.admission.bound import Why, bound
from shanmen.admission.protocol import EntranceInfo, GateInfo, TypeInfo

MAIN, RIDE = 0, 1


def kind(**changes: object) -> TypeInfo:
    values = {"number": 1, "name": {}, "audience": "adult", "zones": 1 << MAIN}
    return TypeInfo(**(values | changes))  # type: ignore[arg-type]


def entrance(number: int, *, zone: int = MAIN, asks: bool = False) -> EntranceInfo:
    return EntranceInfo(number=number, name={}, zone=zone, asks=asks)


def gate(number: int, *, online: bool = True) -> GateInfo:
    return GateInfo(entrance=number, online=online)


@pytest.mark.parametrize(
    ("gates", "asks", "now", "at_most", "why"),
    [
        ([], [], 0, 0, [Why.NOWHERE]),
        ([], [3], 1, 1, [Why.SERVER_ALONE]),
        ([gate(1)], [], 1, 1, [Why.ONE_GATE]),
        ([gate(1, online=False)], [], 1, 1, [Why.ONE_GATE]),
        ([gate(1), gate(2)], [], 1, 2, [Why.CONNECTED]),
        ([gate(1), gate(2, online=False)], [], 2, 2, [Why.CONNECTED, Why.CUT_OFF]),
        ([gate(1, online=False), gate(2, online=False)], [], 2, 2, [Why.CUT_OFF]),
        ([gate(1, online=False)], [3], 2, 2, [Why.CONNECTED, Why.CUT_OFF]),
        ([gate(1), gate(2), gate(4)], [3], 1, 3, [Why.CONNECTED]),
        ([gate(1)], [1], 1, 2, [Why.ONE_GATE, Why.PAGE]),
        ([gate(1, online=False)], [1], 2, 2, [Why.ONE_GATE, Why.PAGE]),
        ([gate(1)], [1, 3], 1, 2, [Why.CONNECTED]),
        (
            [gate(1), gate(2, online=False)],
            [1, 2],
            2,
            3,
            [Why.CONNECTED, Why.CUT_OFF, Why.PAGE],
        ),
        (
            [gate(1, online=False), gate(2, online=False)],
            [2],
            3,
            3,
            [Why.CUT_OFF, Why.PAGE],
        ),
    ],
)
def test_topologies(gates, asks, now, at_most, why):
    places = [entrance(n, asks=n in asks) for n in (1, 2, 3)] + [entrance(4, zone=RIDE)]
    found = bound(kind(), entrances=places, gates=gates)
    assert (found.now, found.at_most, list(found.why)) == (now, at_most, why)


def test_a_party_and_its_entries_multiply():
    gates = [gate(1, online=False), gate(2)]
    places = [entrance(1), entrance(2)]
    found = bound(kind(party_size=3, entries=2), entrances=places, gates=gates)
    assert (found.allowed, found.now, found.at_most) == (6, 12, 12)


def test_each_zone_counts_for_itself():
    """A gate at the cableway that is cut off lets nobody in twice at the main gate."""
    gates = [gate(1, online=False), gate(2), gate(4, online=False)]
    places = [entrance(1), entrance(2), entrance(4, zone=RIDE)]
    found = bound(kind(zones=0b11), entrances=places, gates=gates)
    assert (found.allowed, found.now, found.at_most) == (2, 3, 3)


def test_a_home_entrance_counts_alone():
    gates = [gate(1, online=False), gate(2, online=False)]
    places = [entrance(1), entrance(2)]
    found = bound(kind(entrances=[2]), entrances=places, gates=gates)
    assert (found.at_most, found.why) == (1, (Why.ONE_GATE, Why.HOME))


def test_without_limit_there_is_no_bound():
    found = bound(kind(entries=0), entrances=[entrance(1)], gates=[gate(1)])
    assert (found.allowed, found.now, found.at_most) == (None, None, None)
    nowhere = bound(kind(entries=0), entrances=[], gates=[])
    assert nowhere.at_most == 0


ASKS = st.sampled_from(["nowhere", "elsewhere", "beside"])
STEPS = st.lists(st.tuples(st.sampled_from(["scan", "cut", "join", "change"]), st.integers(0, 3)))


@given(gates=st.integers(0, 3), asks=ASKS, allowed=st.integers(1, 3), steps=STEPS)
def test_no_course_of_events_exceeds_it(  # noqa: C901 - events one after the other
    gates, asks, allowed, steps
):
    """Gates and the server play it out: whatever is cut off when, the figure holds.

    The last place stands for whoever asks the server without a gate: at an entrance that has none,
    or with the scanner page beside a gate. A change (of the visit, or giving it back)
    goes through where the server knows of no entry, and is news only to who is connected.
    """
    own = [0] * gates
    known = [0] * gates
    """What each gate knows of others."""
    connected = [True] * gates
    told = [0] * gates
    """Of its own, what the server knows."""
    server = entered = 0
    places = [entrance(n, asks=asks == "beside") for n in range(gates)]
    places.append(entrance(9, asks=asks == "elsewhere"))
    asked = any(place.asks for place in places)
    for what, at in steps:
        if what == "scan" and at >= gates:
            if asked and server < allowed:
                server, entered = server + 1, entered + 1
        elif what == "scan" and own[at] + known[at] < allowed:
            if connected[at]:
                if server >= allowed:
                    continue
                server, told[at] = server + 1, told[at] + 1
            own[at], entered = own[at] + 1, entered + 1
        elif what == "cut" and at < gates:
            connected[at] = False
        elif what == "join" and at < gates:
            connected[at] = True
            server, told[at] = server + own[at] - told[at], own[at]
        for n in range(gates):
            if connected[n]:
                known[n] = server - told[n]
        infos = [gate(n, online=connected[n]) for n in range(gates)]
        found = bound(kind(party_size=allowed), entrances=places, gates=infos)
        assert entered <= (found.at_most or 0)


@pytest.mark.parametrize("gates", [1, 2, 3])
@pytest.mark.parametrize("beside", [False, True])
def test_it_is_reached(gates, beside):
    infos = [gate(n, online=False) for n in range(gates)]
    places = [entrance(n, asks=beside) for n in range(gates)] + [entrance(9, asks=not beside)]
    found = bound(kind(), entrances=places, gates=infos)
    # Each gate admits by what it knew, and whoever asks the server by what that knows.
    assert found.now == gates + 1 == found.at_most
