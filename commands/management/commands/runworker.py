"""``manage.py runworker``: take commands from the queue and perform them."""

import asyncio
import sys
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connections

from commands.checks import problems, refuse
from commands.models import Domain
from commands.rules.words import DOMAIN, Engine
from commands.worker.fleet import MOST_PROCESSES, WorkerProcesses, name_lines
from commands.worker.handlers import registry_of
from commands.worker.listener import StartError, needs
from commands.worker.probes import BEAT_S, Probes
from commands.worker.process import Options, check_start, connections_needed, work
from e2e_site.command import SiteCommand
from e2e_site.database import connection_params, direct_params
from e2e_site.options import SECONDS, Exit, Number
from settings_app.values import SETTINGS

NO_ROOM = ("too many clients", "too many connections", "connection slots are reserved")  # the server's words
NUMBERS = ("concurrency", "batch_size", "visibility_timeout", "poll_interval")
SWITCHES = ("heartbeat",)  # not paused: a pause is for all workers alike


class Command(SiteCommand):
    help = "Take commands from the queue and perform them. Settings come from the admin, live; options win over them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--engine",
            choices=[engine.value for engine in Engine],
            default=Engine.NATIVE,
            help=f"{Engine.NATIVE}: ours (default); {Engine.LIBRARY}: as published",
        )
        parser.add_argument(
            "--domain", default=DOMAIN, metavar="NAME", help=f"whose commands: {DOMAIN} (default), or another domain's"
        )
        _add_modules(parser)
        parser.add_argument(
            "--processes",
            type=Number(1, MOST_PROCESSES),
            metavar="N",
            help=f"1 to {MOST_PROCESSES} worker processes; one that dies is started again",
        )
        parser.add_argument("--once", action="store_true", help="end when the queue is empty")
        parser.add_argument(
            "--max-wait",
            type=SECONDS,
            metavar="SECONDS",
            help="stop after this time, and let running attempts end; exit code 3 if messages are left",
        )
        parser.add_argument(
            "--grace",
            type=SECONDS,
            default=30.0,
            metavar="SECONDS",
            help="time for running attempts after a stop (30)",
        )
        parser.add_argument(
            "--no-sampler", action="store_true", help="never count what happens for charts; another process has to"
        )
        _add_probes(parser)
        _add_overrides(parser)
        # How a process of --processes is started.
        parser.add_argument("--one-of-many", action="store_true", help=SUPPRESS)

    def handle(self, **options: Any) -> None:
        processes = options["processes"]
        parsed = Options(
            engine=Engine(options["engine"]),
            domain=options["domain"],
            handlers=options["handlers"],
            around=options["around"],
            once=options["once"],
            max_wait=options["max_wait"],
            grace=options["grace"],
            samples=not options["no_sampler"],
            overrides={name: options[name] for name in (*NUMBERS, *SWITCHES) if options[name] is not None},
        )
        probes = Probes(address=options["health_address"], port=options["health_port"], file=options["heartbeat_file"])
        if options["one_of_many"]:
            name_lines()
        registry = registry_of(parsed.domain, parsed.handlers, parsed.around)
        _refuse_without_set_up(parsed.engine, processes or 1)
        Domain.objects.known(parsed.domain)
        params, direct = connection_params(), direct_params()
        connections.close_all()
        try:
            if processes is None:
                code = asyncio.run(work(parsed, registry, params, direct, probes=probes))
            else:
                asyncio.run(check_start(parsed, params, direct, workers=processes))
                code = WorkerProcesses(parsed, processes, probes).run()
        except StartError as exc:
            raise CommandError(f"runworker cannot start: {exc}", returncode=exc.exit_code) from exc
        sys.exit(code)


def _add_modules(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--handlers",
        metavar="PACKAGE.MODULE",
        help="a module of yours, whose register(registry) registers handlers of the domain beside the site's own",
    )
    parser.add_argument(
        "--around",
        metavar="PACKAGE.MODULE",
        help="a module of yours, whose around(handler) answers what is called instead of each handler: to watch it",
    )


def _add_probes(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--health-port", type=Number(1, 65_535), metavar="PORT", help="answer GET /healthz and GET /readyz there"
    )
    parser.add_argument(
        "--health-address", default="127.0.0.1", metavar="ADDRESS", help="the address for them (127.0.0.1)"
    )
    parser.add_argument(
        "--heartbeat-file", type=Path, metavar="FILE", help=f"touch this file every {BEAT_S:.0f} s while it lives"
    )


def _add_overrides(parser: ArgumentParser) -> None:
    for name in NUMBERS:
        setting = SETTINGS[name]
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=setting.option,
            metavar="N",
            help=f"{setting.unit}, {setting.range_text}",
        )
    for name in SWITCHES:
        parser.add_argument(f"--{name}", action=BooleanOptionalAction, help="wins over the setting")


def _refuse_without_set_up(engine: Engine, workers: int) -> None:
    found = problems()
    if found and any(words in found[0].msg for words in NO_ROOM):
        needed = needs(workers * connections_needed(engine), workers)
        raise CommandError(f"runworker cannot start: {needed}. {found[0].msg}", returncode=Exit.FAILED)
    refuse(found)
