"""What may be asked for: shipped scenarios, typed ones with every problem and its line, and variants of them."""

import json

import pytest

from bench.errors import WrongCallError
from bench.runs.asked import LONGEST_S, AskedError, chosen, needs_sending, of_name, of_text
from bench.runs.variants import command_line, shipped, varied
from bench.scenarios.model import Oracle, Place
from bench.scenarios.yaml_file import parse_scenario, scenario_from, to_json
from commands.rules.words import Engine

MINIMAL = "scenario: mine\nabout: Nothing much.\ncommands: 5\nmix: {success: 1}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(AskedError) as caught:
        of_text(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("name", shipped())
def test_a_scenario_is_stored_and_read_again_unchanged(name: str) -> None:
    scenario = shipped()[name]
    stored = json.loads(json.dumps(to_json(varied(scenario, seed=7))))
    assert scenario_from(stored) == varied(scenario, seed=7)


def test_a_name_that_is_none_is_answered_with_those_that_there_are() -> None:
    assert of_name("smoke").scenario == "smoke"
    with pytest.raises(AskedError, match=r"There is no scenario 'smok'; there are .*f01_kill.*smoke"):
        of_name("smok")


def test_a_typed_scenario_is_the_same_as_a_file() -> None:
    assert of_text(MINIMAL).commands == 5


def test_every_problem_is_told_at_once_with_its_line() -> None:
    found = problems(MINIMAL + "sed: 3\nbus: {max_attempts: 0}\nworkers: [{count: 99}]\n")
    assert found[0].startswith("line 5: sed: ")
    assert found[1].startswith("line 6: bus.max_attempts: ")
    assert any(line.startswith("line 7: workers[0].count: ") for line in found)


@pytest.mark.parametrize("text", ["a: [1", "", "- 1", "[" * 20_000, "a: " + "9" * 5000, "x" * 70_000, "a: \ud800"])
def test_whatever_is_typed_is_answered_in_words(text: str) -> None:
    assert all(problems(text))


def test_what_only_a_shell_may_ask_for_is_refused() -> None:
    own = MINIMAL + "workers: [{handlers: os}]\n"
    assert problems(own) == ["workers[0].handlers: A module is named on the command line only."]
    assert parse_scenario(own).workers[0].handlers == "os"
    long = MINIMAL + f"drains_within: {LONGEST_S + 1}s\n"
    assert "at most 3,600 s, but on the command line" in problems(long)[0]


def test_seed_and_engine_are_chosen_and_the_engine_is_judged_by_its_own_promises() -> None:
    found = chosen(of_name("smoke"), seed=99, engine=Engine.LIBRARY)
    assert (found.seed, found.workers[0].engine, found.expect.oracle) == (99, Engine.LIBRARY, Oracle.AS_BUILT)
    assert chosen(of_name("smoke"), seed=None, engine=None) == shipped()["smoke"]


def test_at_the_site_a_scenario_starts_no_workers_and_one_with_faults_does_not_run() -> None:
    found = varied(shipped()["smoke"], place=Place.SITE)
    assert needs_sending(found)
    assert [workers.count for workers in found.workers] == [0]
    with pytest.raises(WrongCallError, match=r"f01_kill does not run like that: .*place: site takes no faults"):
        varied(shipped()["f01_kill"], place=Place.SITE)


def test_the_command_that_runs_the_same_again_names_the_scenario_where_that_means_the_same() -> None:
    smoke = shipped()["smoke"]
    assert command_line(smoke, 7, 1) == "manage.py bench run smoke --seed 7"
    assert (
        command_line(varied(smoke, engine=Engine.LIBRARY), 7, 1)
        == "manage.py bench run smoke --seed 7 --engine library"
    )
    assert command_line(of_text(MINIMAL), 7, 12) == "manage.py bench replay 12"
    other = smoke.model_copy(update={"about": "Another one of that name."})
    assert command_line(other, 7, 12) == "manage.py bench replay 12"
