"""``manage.py bench capacity``: the highest rate that is kept up, and what limits it."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.db import connections

from bench.capacity.conduct import Asked, conduct
from bench.capacity.keep import keep
from bench.capacity.search import Try
from bench.cli.performing import CODES
from commands.checks import problems, refuse
from commands.rules.words import Engine
from e2e_site.options import Exit, Number

HELP = "Find the highest rate that is kept up with p99 below a limit: 0 found, 1 nothing is kept up, 3 not reached."


def add_arguments(parser: ArgumentParser) -> None:
    asked = Asked()
    parser.add_argument(
        "--p99", type=Number(1, 60_000, places=1, unit="ms"), default=asked.p99_ms, metavar="MS",
        help=f"from due to end, at most ({asked.p99_ms:g} ms)",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=[engine.value for engine in Engine], default=asked.engine.value, help="whose workers"
    )
    parser.add_argument(
        "--workers", type=Number(1, 16), default=asked.workers, metavar="N", help=f"worker processes ({asked.workers})"
    )
    parser.add_argument(
        "--seconds", type=Number(1, 600, places=1, unit="seconds"), default=asked.seconds, metavar="N",
        help=f"how long each rate is offered ({asked.seconds:g})",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=Number(1, 20), default=asked.trials, metavar="N", help=f"searches ({asked.trials})"
    )
    parser.add_argument(
        "--first", type=Number(10, 10_000, unit="commands/s"), default=asked.first, metavar="N",
        help=f"the rate that is offered first ({asked.first:g} commands/s)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole document there")


def handle(options: dict[str, Any], out: Any) -> Exit:
    refuse(problems())
    connections.close_all()
    asked = Asked(
        p99_ms=float(options["p99"]), engine=Engine(options["engine"]), workers=options["workers"],
        seconds=float(options["seconds"]), trials=options["trials"], first=float(options["first"]),
    )  # fmt: skip

    def said(found: Try) -> None:
        figures = f"p50 {found.p50_ms:8,.1f} ms  p99 {found.p99_ms:8,.1f} ms"
        out.write(f"{found.trial}: {found.rate:8,.0f}/s  {figures}  {found.why}")
        out.flush()

    document = keep(conduct(asked, said))
    out.write(f"{document.head.verdict}: {document.head.why}")
    out.write(f"Kept as run {document.head.run}.")
    if options["json"]:
        options["json"].write_text(document.model_dump_json(indent=1))
    return CODES[document.head.verdict]
