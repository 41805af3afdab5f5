"""``manage.py bench list``: the scenarios that come with the site."""

import json
from argparse import ArgumentParser
from typing import Any

from bench.scenarios.model import Scenario
from bench.scenarios.yaml_file import read_scenario, shipped
from e2e_site.options import Exit

HELP = "List the scenarios that come with the site: what each proves, where, how long, and what has to come of it."


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as one JSON document")


def handle(options: dict[str, Any], out: Any) -> Exit:
    found = [_line(read_scenario(name)) for name in shipped()]
    if options["json"]:
        out.write(json.dumps({"scenarios": found}, indent=2, ensure_ascii=False))
        return Exit.DONE
    widest = max(len(line["scenario"]) for line in found)
    for line in found:
        how_long = f"{line['load_s']:g} s" if line["load_s"] else "at once"
        long = ", long" if line["long"] else ""
        out.write(f"{line['scenario']:<{widest}}  {line['place']:<7}  {how_long:>7}  {line['verdict']}{long}")
        out.write(f"{'':<{widest}}  {line['about']}")
    return Exit.DONE


def _line(scenario: Scenario) -> dict[str, Any]:
    return {
        "scenario": scenario.scenario,
        "about": scenario.about,
        "place": scenario.place.value,
        "engines": sorted({workers.engine.value for workers in scenario.workers}),
        "faults": [fault.do for fault in scenario.faults],
        "load_s": scenario.lasts_s,
        "verdict": scenario.expect.verdict.value,
        "long": scenario.long,
    }
