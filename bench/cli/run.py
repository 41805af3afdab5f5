"""``manage.py bench run``: one scenario, its verdict, and its reports."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.db import connections

from bench.runs.conduct import conduct
from bench.scenarios.model import RunVerdict
from bench.scenarios.yaml_file import read_scenario
from commands.checks import problems, refuse
from e2e_site.options import Exit, Number

HELP = "Run a scenario and tell its verdict: 0 passed, 1 failed, 3 unknown."
CODES = {RunVerdict.PASS: Exit.DONE, RunVerdict.FAIL: Exit.FAILED, RunVerdict.UNKNOWN: Exit.TIME_IS_UP}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("scenario", help="a file, or the name of a shipped one")
    parser.add_argument("--seed", type=Number(0, 2**63 - 1), metavar="N", help="another seed than the scenario's")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole document there")


def handle(options: dict[str, Any], out: Any) -> Exit:
    refuse(problems())
    scenario = read_scenario(options["scenario"])
    connections.close_all()
    document = conduct(scenario, options["seed"])
    out.write(f"{document.head.verdict}: {document.head.why}")
    if options["json"]:
        options["json"].write_text(document.model_dump_json(indent=1))
    return CODES[document.head.verdict]
