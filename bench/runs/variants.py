"""The same scenario with another seed, engine or place; and the command line that makes a run again."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bench.errors import WrongCallError
from bench.scenarios.model import Oracle, Place, Scenario
from bench.scenarios.yaml_file import SHIPPED, SUFFIX, read_scenario
from commands.rules.words import Engine

if TYPE_CHECKING:
    from collections.abc import Mapping

# By which promises an engine is judged.
ORACLES = {Engine.NATIVE: Oracle.CONTRACT, Engine.LIBRARY: Oracle.AS_BUILT}


@cache
def shipped() -> Mapping[str, Scenario]:
    """The scenarios that come with the bench, by their names, in the order of these."""
    names = sorted(path.name.removesuffix(SUFFIX) for path in SHIPPED.glob(f"*{SUFFIX}"))
    return {name: read_scenario(name) for name in names}


def varied(
    scenario: Scenario, *, seed: int | None = None, engine: Engine | None = None, place: Place | None = None
) -> Scenario:
    """The same but for what is given. Raises WrongCallError where the scenario does not work so."""
    source: dict[str, Any] = scenario.model_dump(mode="json", by_alias=True)
    if seed is not None:
        source["seed"] = seed
    if engine is not None:
        source["workers"] = [{**workers, "engine": engine.value} for workers in source["workers"]]
        source["expect"]["oracle"] = ORACLES[engine].value
    if place is not None:
        source["place"] = place.value
    if place is Place.SITE:
        source["workers"] = [{**workers, "count": 0} for workers in source["workers"]]
    try:
        return Scenario.model_validate(source)
    except ValidationError as exc:
        said = "; ".join(str(error["msg"]).removeprefix("Value error, ") for error in exc.errors())
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
