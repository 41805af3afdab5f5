"""Every shipped scenario gives the verdict that its file expects, with three seeds. ``bin/test --all`` runs it."""

import json
from pathlib import Path

import pytest

from bench.scenarios.yaml_file import read_scenario, shipped
from tests.conftest import StartManage

SEEDS = (11, 222, 3333)
BESIDE_S = 240  # what making databases, servers and workers, faults and checking may take


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", shipped())
def test_it_comes_to_the_verdict_that_its_file_expects(
    name: str, seed: int, start_manage: StartManage, tmp_path: Path
) -> None:
    scenario, report = read_scenario(name), tmp_path / "report.json"
    if scenario.long and seed != SEEDS[0]:
        pytest.skip("once is long enough")
    program = start_manage("bench", "run", name, "--seed", str(seed), "--json", str(report))
    program.wait(scenario.lasts_s + scenario.seconds(scenario.drains_within) + BESIDE_S)
    assert report.exists(), program.output
    head = json.loads(report.read_text())["head"]
    assert (head["verdict"], head["seed"]) == (scenario.expect.verdict, seed), head["why"]
