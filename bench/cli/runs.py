"""``manage.py bench runs``: the runs that are kept, newest first."""

import json
from argparse import ArgumentParser
from typing import Any

from bench.models import BenchRun
from bench.scenarios.model import RunVerdict
from commands.checks import problems, refuse
from commands.rules.formatting import duration
from e2e_site.options import Exit, Number
from e2e_site.texts import cut, escaped

HELP = "List runs, newest first."
_LISTED = ("run_id", "state", "verdict", "as_asked", "scenario", "engines", "seed", "asked_by", "asked_at", "why")
_WHY_SHOWN = 80


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--scenario", metavar="NAME", help="of this one only")
    parser.add_argument("--verdict", choices=list(RunVerdict), help="with this one only")
    parser.add_argument(
        "--limit", type=Number(1, BenchRun.KEPT, unit="runs"), default=20, metavar="N", help="at most (20)"
    )
    parser.add_argument("--json", action="store_true", help="as a JSON array")


def handle(options: dict[str, Any], out: Any) -> int:
    refuse(problems())
    asked = {name: options[name] for name in ("scenario", "verdict") if options[name]}
    found = list(BenchRun.objects.for_list().newest_first().filter(**asked)[: options["limit"]])
    if options["json"]:
        out.write(json.dumps([{name: getattr(run, name) for name in _LISTED} for run in found], default=str, indent=1))
    for run in () if options["json"] else found:
        out.write(_line(run))
    if not found and not options["json"]:
        out.write("There is no such run." if asked else "There is no run yet: manage.py bench run smoke")
    return Exit.DONE


def _line(run: BenchRun) -> str:
    took = "" if run.took_ms is None else duration(run.took_ms)
    verdict = run.verdict or ("lost" if run.silent else run.state)
    return (
        f"{run.run_id:>6}  {run.asked_at:%Y-%m-%d %H:%M}  {verdict:<8} {run.scenario:<32} seed {run.seed:<10} "
        f"{run.engines:<16} {took:>9}  {escaped(cut(run.why, _WHY_SHOWN))}"
    ).rstrip()
