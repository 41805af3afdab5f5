"""``manage.py bench replay``: what a run was asked for once more, with the same seed."""

from argparse import ArgumentParser
from typing import Any

from bench.cli.performing import perform
from bench.cli.run import add_common
from bench.cli.show import RUN, run_numbered
from bench.scenarios.yaml_file import scenario_from
from commands.checks import problems, refuse

HELP = "Run again what a run was asked for: the same commands, faults and moments."


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", type=RUN, metavar="RUN", help="the number of the run")
    add_common(parser)


def handle(options: dict[str, Any], out: Any) -> int:
    refuse(problems())
    return perform([scenario_from(run_numbered(options["run"]).source)], options, out)
