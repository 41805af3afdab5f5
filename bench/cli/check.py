"""``manage.py bench check``: the invariants of a domain, now, whatever works on it."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from bench.cli.performing import CODES
from bench.invariants.site import Checked, make_check
from bench.report.document import Rule, RuleWord
from commands.checks import problems, refuse
from commands.models import Domain
from commands.rules.words import DOMAIN
from e2e_site.options import Exit

HELP = "Check the invariants of the bus on the commands of a domain: 0 all hold, 1 one is broken, 3 not decided."
SHOWN = 5  # samples of each broken rule; the document has more


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--domain", default=DOMAIN, metavar="NAME", help=f"whose commands ({DOMAIN})")
    parser.add_argument("--json", action="store_true", help="print the whole check as one JSON document")


def handle(options: dict[str, Any], out: Any) -> Exit:
    refuse(problems())
    checked = make_check(Domain.objects.known(options["domain"]))
    out.write(json.dumps(checked.to_json(), indent=2) if options["json"] else "\n".join(_lines(checked)))
    return CODES[checked.verdict]


def _lines(checked: Checked) -> Iterator[str]:
    for rule in checked.rules:
        yield from _of(rule)
    yield f"{checked.verdict}: {checked.why} ({checked.commands:,} commands in {checked.seconds:.1f} s)"


def _of(rule: Rule) -> Iterator[str]:
    number = "" if rule.checked is None else f" {rule.checked:,} checked"
    yield f"{rule.id:4}{rule.word.label:12}{rule.text}.{number}{f' ({rule.why})' if rule.why else ''}"
    if rule.word is RuleWord.BROKEN:
        for sample in rule.samples[:SHOWN]:
            yield f"      {sample.command_id or 'no command'} {sample.word}: {sample.detail}"
        if rule.violations > SHOWN:
            yield f"      and {rule.violations - SHOWN:,} more"
