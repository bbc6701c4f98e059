"""``shanmen gate simulate``: the real agent, lanes and drivers with nothing real around them."""

import random

import pytest
from click.testing import CliRunner

from shanmen.edge.cli import gate
from shanmen.edge.simulate import simulate_demo
from shanmen.edge.simulated import DemoServer, crowd, id_number
from shanmen.kit import documents


@pytest.mark.parametrize("offline", [False, True])
async def test_everybody_is_treated_as_they_should(offline, capsys):
    outcome, server = await simulate_demo(lanes=3, visitors=14, seed=4, offline=offline)
    said = capsys.readouterr().out
    assert outcome.surprises == 0, said
    assert outcome.visitors == 14
    assert outcome.passed == outcome.admitted - outcome.given_back
    assert outcome.given_back > 0
    assert outcome.refused
    assert {"code_stale", "document_required", "already_used"} <= set(outcome.refused)
    assert all(f"lane {number}" in said for number in (1, 2, 3))
    assert (server.journal_rows == 0) is offline


def test_the_same_seed_brings_the_same_visitors():
    def made(seed: int) -> list[str]:
        rng = random.Random(seed)
        return [visitor.what for visitor in crowd(DemoServer(rng, lanes=2), rng, 50)]

    assert made(1) == made(1) != made(2)


def test_numbers_of_cards_are_right_in_themselves():
    numbers = {id_number(index) for index in range(2000)}
    assert len(numbers) == 2000
    for number in numbers:
        documents.check(documents.DocumentKind.ID_CARD, number)


def test_a_folder_without_tickets_is_told(tmp_path):
    said = CliRunner().invoke(gate, ["simulate", "--folder", str(tmp_path)])
    assert said.exit_code == 1
    assert "no tickets yet" in said.output
