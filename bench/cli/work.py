"""``manage.py bench work``: works off the runs that pages and API ask for, one after the other."""

import signal
from argparse import ArgumentParser
from contextlib import closing, suppress
from typing import Any

from django.db import connections

from bench.runs.conduct import CanceledError
from bench.runs.queue import Queue
from commands.checks import problems, refuse
from e2e_site.options import Exit
from e2e_site.programs import StopRequests

HELP = "Work off the runs that pages and API ask for, until Ctrl-C; --once: until none waits."


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="end when no run waits")


def handle(options: dict[str, Any], out: Any) -> int:
    refuse(problems())
    connections.close_all()
    stop_requests = StopRequests(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def say(text: str) -> None:
        with suppress(OSError):  # the terminal may be gone
            out.write(text)
            out.flush()

    def is_stopped() -> bool:
        return stop_requests.count > 0

    def show(text: str) -> None:
        """Its page shows how far a run is."""

    with (
        stop_requests.heard(),
        closing(Queue(show=show, say=say, stopped=is_stopped, stopper="the end of manage.py bench work")) as queue,
        suppress(CanceledError),  # it was stopped before it was its turn
    ):
        queue.work(once=options["once"])
    return Exit.INTERRUPTED if stop_requests.count and options["once"] else Exit.DONE
