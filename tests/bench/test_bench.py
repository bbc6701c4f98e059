"""A benchmark fails where the database is not what its clients were told."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import __main__ as program
from bench.park import ZONE, make_park, whole_day
from bench.placing import Desk
from bench.report import Report
from bench.rig import Rig
from shanmen.kit import clock

LOSE = """
WITH lost AS (DELETE FROM orders WHERE id = (SELECT max(id::text)::uuid FROM orders) RETURNING id)
SELECT count(*) FROM lost
"""


class Placing:
    """A second of orders; then one of them is lost, if the test says so."""

    what = "orders that are counted"

    def __init__(self, *, loses: bool) -> None:
        self.loses = loses

    def load(self) -> "Placing":
        return self

    def __call__(self, rig: Rig, report: Report) -> None:
        name = rig.fresh("counted")
        tomorrow = whole_day(clock.today(ZONE) + timedelta(days=1))
        park = rig.inside(
            name, lambda database: make_park(database, slots=[tomorrow], capacity=10**6)
        )
        with rig.serve(name, processes=1) as web:
            desk = Desk(rig, report, name, park, web)
            desk.measure([(park.site, park.site.slots[0])], connections=8)
        if self.loses:
            with rig.connect(name) as connection:
                assert connection.execute(LOSE).fetchall() == [(1,)]
        desk.check()


@pytest.mark.parametrize("loses", [False, True])
def test_a_lost_order_makes_a_benchmark_fail(
    loses: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(program.BENCHMARKS, "counted", Placing(loses=loses))
    found = tmp_path / "found.json"
    arguments = ["counted", "--seconds", "0.5", "--folder", str(tmp_path), "--json", str(found)]
    ended = CliRunner().invoke(program.main, arguments)
    assert ended.exit_code == int(loses), ended.output
    written = json.loads(found.read_text("utf-8"))
    assert written["name"] == "counted"
    assert {"per_s", "p50_ms", "p99_ms", "errors"} <= written["figures"].keys()
    assert written["figures"]["errors"] == 0
    settings = written["settings"]
    assert (settings["fsync"], settings["synchronous_commit"]) == ("on", "on")
    differences = " ".join(written["differences"])
    assert ("orders: clients were told" in differences) == loses
    assert ("missing" in differences) == loses
