"""``manage.py bench run``: scenarios, their verdicts, and their reports."""

from argparse import ArgumentParser
from typing import Any

from bench.cli import report_files
from bench.cli.performing import perform
from bench.errors import WrongCallError
from bench.runs.variants import shipped, varied
from bench.scenarios.model import Place, Scenario
from bench.scenarios.yaml_file import read_scenario
from commands.checks import problems, refuse
from commands.rules.words import Engine
from e2e_site.options import Number

HELP = "Run scenarios and tell their verdicts: 0 passed, 1 failed, 2 could not be run, 3 unknown."
LARGEST_SEED = 2**63 - 1


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("scenario", nargs="*", help="a file, or the name of a shipped one; several run one by one")
    parser.add_argument("--all", action="store_true", help="all shipped ones")
    parser.add_argument("--short", action="store_true", help="the shipped ones that are not long")
    parser.add_argument("--seed", type=Number(0, LARGEST_SEED), metavar="N", help="another seed than the scenario's")
    parser.add_argument("--engine", choices=list(Engine), help="of all workers, and what judges them")
    parser.add_argument("--place", choices=list(Place), help="a database of its own, its own server, or the site's")
    add_common(parser)


def add_common(parser: ArgumentParser) -> None:
    """Options of everything that works runs off itself."""
    report_files.add_options(parser)
    parser.add_argument("--no-wait", action="store_true", help="where another run goes on, do not wait for its end")
    parser.add_argument("--quiet", action="store_true", help="do not show how far it is")


def handle(options: dict[str, Any], out: Any) -> int:
    engine = Engine(options["engine"]) if options["engine"] else None
    place = Place(options["place"]) if options["place"] else None
    scenarios = [varied(each, seed=options["seed"], engine=engine, place=place) for each in _chosen(options)]
    refuse(problems())
    return perform(scenarios, options, out)


def _chosen(options: dict[str, Any]) -> list[Scenario]:
    """What was named. Raises WrongCallError, and ScenarioError with all that is wrong in a file."""
    names = options["scenario"]
    if bool(names) + options["all"] + options["short"] != 1:
        raise WrongCallError(f"Name scenarios, or say --all or --short. There are {', '.join(shipped())}.")
    if names:
        return [read_scenario(name) for name in names]
    return [scenario for scenario in shipped().values() if options["all"] or not scenario.long]
