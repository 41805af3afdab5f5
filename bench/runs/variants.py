"""The same scenario with another seed, engine or place; and the command line that makes a run again."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from bench.errors import WrongCallError
from bench.scenarios import yaml_file
from bench.scenarios.model import Oracle, Place, Scenario
from bench.scenarios.yaml_file import ScenarioError, read_scenario, scenario_from, to_json
from commands.rules.words import Engine

if TYPE_CHECKING:
    from collections.abc import Mapping

# By which promises an engine is judged.
ORACLES = {Engine.NATIVE: Oracle.CONTRACT, Engine.LIBRARY: Oracle.AS_BUILT}


@cache
def shipped() -> Mapping[str, Scenario]:
    """The scenarios that come with the bench, by their names, in the order of these."""
    return {name: read_scenario(name) for name in yaml_file.shipped()}


def varied(
    scenario: Scenario, *, seed: int | None = None, engine: Engine | None = None, place: Place | None = None
) -> Scenario:
    """The same but for what is given. Raises WrongCallError where the scenario does not work so."""
    source = to_json(scenario)
    workers: list[dict[str, Any]] = source.get("workers", [{}])
    if seed is not None:
        source["seed"] = seed
    if engine is not None:
        workers = [{**each, "engine": engine.value} for each in workers]
        source["expect"] = {**source.get("expect", {}), "oracle": ORACLES[engine].value}
    if place is not None:
        source["place"] = place.value
    if place is Place.SITE:
        workers = [{**each, "count": 0} for each in workers]
    try:
        return scenario_from({**source, "workers": workers})
    except ScenarioError as exc:
        said = "; ".join(map(str, exc.problems))
        raise WrongCallError(f"Scenario {scenario.scenario} does not run like that: {said}.") from exc


def command_line(scenario: Scenario, seed: int, run_id: int) -> str:
    """What runs the same again: by its name where that means the same, else by the row of the run."""
    known = shipped().get(scenario.scenario)
    if known is not None:
        wanted = varied(scenario, seed=seed)
        for words, engine in (("", None), *((f" --engine {engine}", engine) for engine in Engine)):
            if _same(known, wanted, engine):
                return f"manage.py bench run {scenario.scenario} --seed {seed}{words}"
    return f"manage.py bench replay {run_id}"


def _same(known: Scenario, wanted: Scenario, engine: Engine | None) -> bool:
    return varied(known, seed=wanted.seed, engine=engine) == wanted
