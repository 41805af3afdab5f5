"""``manage.py bench compare``: two runs side by side."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from bench.cli.show import RUN, run_numbered
from bench.errors import WrongCallError
from bench.runs.compare import Comparison, Difference, Measure
from bench.runs.reading import comparison_of
from bench.runs.styles import change_text, number_text
from commands.checks import problems, refuse
from e2e_site.options import Exit
from e2e_site.texts import cut, escaped

HELP = "Compare two runs: what was asked for otherwise, what came out otherwise."
_SHOWN = 60


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("a", type=RUN, metavar="A", help="the number of a run")
    parser.add_argument("b", type=RUN, metavar="B", help="the number of another one")
    parser.add_argument("--json", action="store_true", help="as one JSON document")


def handle(options: dict[str, Any], out: Any) -> int:
    refuse(problems())
    a, b = run_numbered(options["a"]), run_numbered(options["b"])
    found = comparison_of(a, b)
    if found is None:
        raise WrongCallError("Without a report there is nothing to compare: both runs have to have come to a verdict.")
    if options["json"]:
        out.write(json.dumps(asdict(found), indent=1))
    else:
        out.write("\n".join(_text(found, f"run {a.run_id}", f"run {b.run_id}")))
    return Exit.DONE


def _text(found: Comparison, a: str, b: str) -> Iterator[str]:
    for title, differences in (
        ("Asked for otherwise", found.settings),
        ("Came out otherwise", found.outcome),
        ("Versions and machine", found.surroundings),
    ):
        yield f"{title}{'' if differences else ': nothing'}"
        yield from _table(differences, a, b)
    yield "Figures"
    yield from _figures([measure for measure in found.measures if measure.a or measure.b], a, b)


def _table(differences: Sequence[Difference], a: str, b: str) -> Iterator[str]:
    if differences:
        yield f"  {'':<36} {a:<{_SHOWN}} {b}"
    for each in differences:
        first, second = (escaped(cut(text, _SHOWN)) for text in (each.a, each.b))
        yield f"  {escaped(cut(each.name, 36)):<36} {first:<{_SHOWN}} {second}".rstrip()


def _figures(measures: Sequence[Measure], a: str, b: str) -> Iterator[str]:
    yield f"  {'':<36} {a:>14} {b:>14} {'change':>10}"
    for each in measures:
        name = cut(f"{each.name}{', ' if each.unit else ''}{each.unit}", 36)
        change = change_text(each.change) if each.differs else "the same"
        chance = "  within the spread" if each.differs and each.within_spread else ""
        yield f"  {escaped(name):<36} {number_text(each.a):>14} {number_text(each.b):>14} {change:>10}{chance}"
