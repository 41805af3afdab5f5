"""``manage.py bench scorecard``: each known deviation of the library's worker, seen again or not."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections

from bench.runs.surroundings import versions
from bench.scorecard.conduct import PROBES, conduct
from bench.scorecard.findings import Finding, Found, wrong
from bench.scorecard.page import page
from commands.checks import problems, refuse
from e2e_site.database import connection_params
from e2e_site.files import write_atomically
from e2e_site.options import Exit, SiteError

HELP = "See which known deviations of the library's worker still show: 0 told, 1 one shows in native, 3 one not told."
PAGE = "docs/scorecard.md"


class NoSuchProbeError(SiteError):
    """A deviation that there is not was asked for."""

    exit_code = Exit.REFUSED


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("deviation", nargs="*", help=f"which (all): {', '.join(PROBES)}")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE}; needs all of them")


def handle(options: dict[str, Any], out: Any) -> Exit:
    names = options["deviation"]
    if unknown := [name for name in names if name not in PROBES]:
        raise NoSuchProbeError(f"There is no deviation {', '.join(unknown)}; there are {', '.join(PROBES)}.")
    if names and options["write"]:
        raise NoSuchProbeError(f"--write makes the whole of {PAGE}: name no deviation with it.")
    refuse(problems())
    connections.close_all()

    def said(found: Finding) -> None:
        out.write(f"{found.id:4} {found.engine:8} {found.word:14} {found.evidence}")
        out.flush()

    findings = conduct(names, said)
    if options["write"]:
        with psycopg.connect(**connection_params()) as conn:
            text = page(findings, versions(conn), datetime.now(UTC).date().isoformat())
        write_atomically(settings.BASE_DIR / PAGE, text)
        out.write(f"wrote {PAGE}")
    return _code(findings)


def _code(findings: list[Finding]) -> Exit:
    if wrong(findings):
        return Exit.FAILED
    failed = any(one.word is Found.NOT_EXERCISED and one.evidence.startswith("the probe failed") for one in findings)
    return Exit.TIME_IS_UP if failed else Exit.DONE
