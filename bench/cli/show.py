"""``manage.py bench show``: a run that was kept, as a summary or as files."""

from argparse import ArgumentParser
from typing import Any

from bench.cli import report_files
from bench.errors import WrongCallError
from bench.models import BenchRun
from bench.runs.files import ReportFormat, rendered
from bench.runs.reading import document_of
from commands.checks import problems, refuse
from e2e_site.options import Exit, Number

HELP = "Show a run: a summary, or its report as files."
RUN = Number(1, 2**63 - 1)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", type=RUN, metavar="RUN", help="the number of the run")
    report_files.add_options(parser)


def handle(options: dict[str, Any], out: Any) -> int:
    refuse(problems())
    report_files.check(options, several=False)
    run = run_numbered(options["run"])
    document = document_of(run.document)
    if document is None:
        out.write(f"Run {run.run_id} of {run.scenario} has no report: it is {run.state}. {run.why}".strip())
        return Exit.FAILED
    report_files.write(document, options, several=False)
    if not any(options[name] for name in ("json", "junit", "html", "markdown")):
        out.write(rendered(document, ReportFormat.MD))
    return Exit.DONE


def run_numbered(number: int) -> BenchRun:
    """Raises WrongCallError where there is none."""
    run = BenchRun.objects.shown().filter(run_id=number).first()
    if run is None:
        raise WrongCallError(f"No run has the number {number}: manage.py bench runs lists them.")
    return run
