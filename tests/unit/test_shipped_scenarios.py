"""The scenarios that come with the site: each can be read, says what it proves, and the short ones are short."""

import re

import pytest

from bench.releases.kept import releases
from bench.scenarios.model import Oracle, RunVerdict
from bench.scenarios.yaml_file import read_scenario, shipped
from commands.rules.behaviors import BehaviorType
from commands.rules.words import Engine

SHORT_S = 25  # the load of one that is not long


@pytest.mark.parametrize("name", shipped())
def test_it_is_read_and_says_what_it_proves(name: str) -> None:
    scenario = read_scenario(name)
    assert scenario.scenario == name
    assert re.fullmatch(r"[A-Z].{30,}\.", scenario.about)
    assert scenario.long or scenario.lasts_s <= SHORT_S
    if any(workers.engine is Engine.LIBRARY for workers in scenario.workers):
        assert scenario.expect.oracle is Oracle.AS_BUILT
    else:
        assert (scenario.expect.oracle, scenario.expect.verdict) == (Oracle.CONTRACT, RunVerdict.PASS)
    assert {workers.release for workers in scenario.workers if workers.release} <= set(releases())
    assert scenario.expect.sometimes, "a run that could say nothing passes"


def test_each_says_something_of_its_own() -> None:
    abouts = [read_scenario(name).about for name in shipped()]
    assert len(set(abouts)) == len(abouts)


def test_there_is_one_for_each_behavior_and_for_each_engine() -> None:
    assert {f"behavior_{kind}" for kind in BehaviorType} <= set(shipped())
    assert set(read_scenario("behaviors_library").mix) == set(BehaviorType)
    assert {"smoke", "mix", "rolls", "lease_overrun", "burst", "soak", "upgrade"} <= set(shipped())
