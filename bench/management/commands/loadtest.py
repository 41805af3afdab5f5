"""``manage.py loadtest``: send many commands, have real workers perform them, say what became of each."""

import json
import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from bench.loadtest.errors import LoadTestError
from bench.loadtest.options import NUMBERS, OVERRIDES, OptionError, Options
from bench.loadtest.progress import Progress
from bench.loadtest.report import text
from bench.loadtest.run import conduct
from commands.checks import problems
from commands.rules.behaviors import BehaviorType
from e2e_site.programs import StopRequests
from settings_app.values import SETTINGS

EXIT_OTHERWISE = 1  # something ended otherwise than its behavior says, was lost, or went wrong
EXIT_NOT_FINISHED = 3  # interrupted, or --max-wait was over
DEFAULTS = {"rate": "all at once", "seed": "a new one"}


class Command(BaseCommand):
    help = "Load test: send many commands, have real workers perform them, say what became of each and how fast."
    requires_system_checks = ()  # those that matter are called below, and refuse

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, number in NUMBERS.items():
            default = DEFAULTS.get(name, f"{number.default:,}")
            help_text = (
                f"{number.help} {number.range_text}{f' {number.unit}' if number.unit else ''}; default: {default}"
            )
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="N", help=help_text)
        parser.add_argument(
            "--mix",
            metavar="WEIGHTS",
            help=f"which behaviors, such as success=90,fail_transient=10; default: success. {', '.join(BehaviorType)}",
        )
        for name, setting in OVERRIDES.items():
            number = SETTINGS[setting]
            parser.add_argument(
                f"--{name.replace('_', '-')}",
                metavar="N",
                help=f"{number.unit}, {number.range_text}; default: the setting",
            )
        parser.add_argument(
            "--database",
            metavar="URL",
            help="work in this database and empty it first; default: in one of its own, made and dropped",
        )
        parser.add_argument("--json", action="store_true", help="print the summary as one JSON document")

    def handle(self, **options: Any) -> None:
        try:
            parsed = Options.parse(options)
        except OptionError as exc:
            raise CommandError(str(exc)) from exc
        if found := problems():
            raise CommandError("\n".join(f"{problem.msg} {problem.hint}" for problem in found))
        connections.close_all()
        stop_requests = StopRequests(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        shown = Progress(sys.stderr)
        try:
            with stop_requests.heard():
                document = conduct(parsed, shown, stop_requests)
        except LoadTestError as exc:
            shown.end()
            raise CommandError(str(exc)) from exc
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else text(document))
        sys.exit(_exit_code(document))


def _exit_code(document: dict[str, Any]) -> int:
    if document["state"] == "interrupted":
        return EXIT_NOT_FINISHED
    return 0 if document["state"] == "finished" and document["as_expected"] else EXIT_OTHERWISE
