"""``manage.py sampler``: take samples without a worker."""

import asyncio
import contextlib
import signal
from argparse import ArgumentParser
from typing import Any

from commands.checks import problems, refuse
from commands.worker.sampling import STOP, Sampling, own_name, take
from e2e_site.command import SiteCommand
from e2e_site.database import ConnectionLostError, Link, Outage, connection_params, end_all, within
from e2e_site.options import Exit, SiteError

GOODBYE_S = 2.0


class Command(SiteCommand):
    help = "Count every second what happens, for charts and figures. One process does; workers take their turn too."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="count what happened until now, and end")

    def handle(self, **options: Any) -> None:
        refuse(problems())
        try:
            said = asyncio.run(_once() if options["once"] else _until_stopped())
        except ConnectionLostError as exc:
            raise _LostError(f"The database cannot be used: {exc}") from exc
        self.stdout.write(said)


class _LostError(SiteError):
    exit_code = Exit.FAILED


async def _once() -> str:
    link = Link(connection_params(), Outage(), name="sampler")
    counted = 0
    try:
        while True:
            answer = await take(link)
            if not answer["sampled"]:
                return f"{answer['sampler'] or 'Another process'} samples."
            counted += answer["counted"]
            if not answer["behind"]:
                break
        await link.value(STOP, (own_name(),))
    finally:
        await link.close()
    waits = " What came later waits for a transaction that is open." if answer["held_s"] else ""
    return f"Sampled: {counted:,} events counted.{waits}"


async def _until_stopped() -> str:
    """Sample until SIGINT or SIGTERM."""
    outage = Outage()
    shared, own = (Link(connection_params(), outage, name=f"sampler {name}") for name in ("turn", "sample"))
    sampling = Sampling(shared, own)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    task = asyncio.create_task(sampling.run(), name="sample")
    try:
        await stop.wait()
    finally:
        await end_all([task])
        with contextlib.suppress(TimeoutError):
            await within(GOODBYE_S, sampling.leave())
        await shared.close()
        await own.close()
    return "Stopped."
