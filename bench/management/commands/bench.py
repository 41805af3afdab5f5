"""``manage.py bench``: say what must happen, break things, prove what happened."""

import sys
from argparse import ArgumentParser
from importlib import import_module
from typing import Any

from e2e_site.command import SiteCommand

WORDS = (
    *("run", "replay", "runs", "show", "compare", "work"),
    *("list", "schema", "database", "check", "explain", "capacity", "scorecard"),
)


class Command(SiteCommand):
    help = "Run scenarios against the bus: what must happen is said before, faults are injected, a verdict is given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
        for word in WORDS:
            module = import_module(f"bench.cli.{word}")
            module.add_arguments(words.add_parser(word, help=module.HELP, description=module.HELP))

    def handle(self, **options: Any) -> None:
        sys.exit(import_module(f"bench.cli.{options['word']}").handle(options, self.stdout))
