"""What may be asked for: shipped scenarios, typed ones with every problem and its line, and variants of them."""

import pytest

from bench.errors import WrongCallError
from bench.runs.asked import LONGEST_S, MOST_CHARACTERS, AskedError, chosen, needs_sending, of_name, of_object, of_text
from bench.runs.variants import command_line, shipped, varied
from bench.scenarios.model import Oracle, Place, Scenario
from commands.rules.words import Engine

MINIMAL = "scenario: mine\nabout: Nothing much.\ncommands: 5\nmix: {success: 1}\n"


def problems(text: str, *, for_page: bool = True) -> list[str]:
    with pytest.raises(AskedError) as caught:
        of_text(text, for_page=for_page)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("name", shipped())
def test_a_scenario_is_stored_and_read_again_unchanged(name: str) -> None:
    scenario = shipped()[name]
    assert Scenario.model_validate(scenario.model_dump(mode="json", by_alias=True)) == scenario
    assert of_object(scenario.model_dump(mode="json", by_alias=True)) == scenario


def test_a_name_that_is_none_is_answered_with_those_that_there_are() -> None:
    assert of_name("smoke").scenario == "smoke"
    with pytest.raises(AskedError, match=r"There is no scenario 'smok'; there are .*kill.*smoke"):
        of_name("smok")


def test_a_typed_scenario_is_the_same_as_a_file() -> None:
    assert of_text(MINIMAL).commands == 5


def test_every_problem_is_told_at_once_with_its_line() -> None:
    found = problems(MINIMAL + "sed: 3\nload:\n  - {phase: steady, for: 3 hours, rate: 10}\nworkers: [{count: 99}]\n")
    assert [line.partition(":")[0] for line in found] == ["line 8", "line 7", "line 5"]
    assert "workers.0.count" in found[0]
    assert "load.0.for" in found[1]
    assert "sed" in found[2]


def test_of_a_key_that_is_missing_the_place_is_that_of_its_object() -> None:
    assert [line[:7] for line in problems("scenario: mine\ncommands: 5\nmix: {success: 1}\n")] == ["line 1:"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "line 2: This is no YAML"),
        ("", "A scenario is an object"),
        ("- 1", "A scenario is an object"),
        ("[" * 20_000, "This is no YAML"),
        ("a: " + "9" * 5000, "This is no YAML"),
        ("a: 2026-99-99", "This is no YAML"),
        ("x" * (MOST_CHARACTERS + 1), "at most 60,000 characters"),
        (MINIMAL.replace("Nothing much.", '"a \\0 NUL"'), "NUL characters"),
        (MINIMAL + "seed: " + "9" * 400, "seed"),
    ],
    ids=["open list", "empty", "a list", "deep", "long number", "no date", "long", "NUL", "large"],
)
def test_whatever_is_typed_is_answered_in_words(text: str, said: str) -> None:
    assert said in problems(text)[0]


def test_what_only_a_shell_may_ask_for_is_refused_to_pages_and_taken_from_files() -> None:
    own = MINIMAL + "workers: [{handlers: os}]\n"
    assert problems(own) == ["workers.0.handlers: A module is named on the command line only."]
    assert of_text(own, for_page=False).workers[0].handlers == "os"
    long = MINIMAL + f"drains_within: {LONGEST_S + 1}s\n"
    assert "at most 3,600 s, but on the command line" in problems(long)[0]
    assert of_text(long, for_page=False)


def test_seed_and_engine_are_chosen_and_the_engine_is_judged_by_its_own_promises() -> None:
    found = chosen(of_name("smoke"), seed=99, engine=Engine.LIBRARY)
    assert (found.seed, found.workers[0].engine, found.expect.oracle) == (99, Engine.LIBRARY, Oracle.AS_BUILT)
    assert chosen(of_name("smoke"), seed=None, engine=None) == shipped()["smoke"]


def test_at_the_site_a_scenario_starts_no_workers_and_one_with_faults_does_not_run() -> None:
    found = varied(shipped()["smoke"], place=Place.SITE)
    assert needs_sending(found)
    assert [workers.count for workers in found.workers] == [0]
    with pytest.raises(WrongCallError, match="kill does not run like that: .*place: site takes no faults"):
        varied(shipped()["kill"], place=Place.SITE)


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
