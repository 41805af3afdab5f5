"""``manage.py loadtest``: send many commands, have real workers perform them, say what became of each."""

import json
import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.db import connections

from bench.loadtest.errors import LoadTestError
from bench.loadtest.options import NUMBERS, OVERRIDES, Options
from bench.loadtest.progress import Progress
from bench.loadtest.report import text
from bench.loadtest.run import conduct
from commands.checks import problems, refuse
from commands.rules.behaviors import BehaviorType
from commands.rules.mix import parse_mix
from e2e_site.command import SiteCommand
from e2e_site.options import Exit, told
from e2e_site.programs import StopRequests
from settings_app.values import SETTINGS

DEFAULTS = {"rate": "all at once", "seed": "a new one"}


class Command(SiteCommand):
    help = "Load test: send many commands, have real workers perform them, say what became of each and how fast."

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, number in NUMBERS.items():
            default = DEFAULTS.get(name, f"{number.default:,}")
            help_text = (
                f"{number.help} {number.range_text}{f' {number.unit}' if number.unit else ''}; default: {default}"
            )
            parser.add_argument(f"--{name.replace('_', '-')}", type=number.option, metavar="N", help=help_text)
        parser.add_argument(
            "--mix",
            type=told(parse_mix),
            metavar="WEIGHTS",
            help=f"which behaviors, such as success=90,fail_transient=10; default: success. {', '.join(BehaviorType)}",
        )
        for name, setting in OVERRIDES.items():
            number = SETTINGS[setting]
            parser.add_argument(
                f"--{name.replace('_', '-')}",
                type=number.option,
                metavar="N",
                help=f"{number.unit}, {number.range_text}; default: the setting",
            )
        parser.add_argument(
            "--database",
            metavar="URL",
            help="work in this database, which is emptied and stays; default: one that is made and dropped",
        )
        parser.add_argument("--json", action="store_true", help="print the summary as one JSON document")

    def handle(self, **options: Any) -> None:
        refuse(problems())
        connections.close_all()
        stop_requests = StopRequests(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        shown = Progress(sys.stderr)
        try:
            with stop_requests.heard():
                document = conduct(Options.of(options), shown, stop_requests)
        except LoadTestError:
            shown.end()
            raise
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else text(document))
        sys.exit(_exit_code(document, stopped=stop_requests.count > 0))


def _exit_code(document: dict[str, Any], *, stopped: bool) -> Exit:
    if document["state"] == "interrupted":
        return Exit.INTERRUPTED if stopped else Exit.TIME_IS_UP
    return Exit.DONE if document["state"] == "finished" and document["as_expected"] else Exit.FAILED
