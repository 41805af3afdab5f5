"""``manage.py runworker``: take commands from the queue and perform them."""

import asyncio
import sys
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from commands.checks import UNREACHABLE, problems
from commands.models import Domain
from commands.rules.words import DOMAIN, Engine
from commands.worker.fleet import MOST_PROCESSES, WorkerProcesses, name_lines
from commands.worker.listener import StartError, needs
from commands.worker.process import EXIT_REFUSED, Options, check_start, connections_needed, work
from e2e_site.database import connection_params, direct_params
from settings_app.values import SETTINGS, SWITCHES

NO_ROOM = ("too many clients", "too many connections", "connection slots are reserved")  # the server's words
OVERRIDES = ("concurrency", "batch_size", "visibility_timeout", "poll_interval")


class Command(BaseCommand):
    help = "Take commands from the queue and perform them. Settings come from the admin, live; options win over them."
    requires_system_checks = ()  # those that matter to a worker are called below, and refuse

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--engine",
            choices=list(Engine),
            default=Engine.NATIVE,
            help=f"{Engine.NATIVE}: ours (default); {Engine.LIBRARY}: as published",
        )
        parser.add_argument(
            "--domain", default=DOMAIN, metavar="NAME", help=f"whose commands: {DOMAIN} (default), or another domain's"
        )
        parser.add_argument(
            "--processes", metavar="N", help=f"1 to {MOST_PROCESSES} worker processes; one that dies is started again"
        )
        parser.add_argument("--once", action="store_true", help="end when the queue is empty")
        parser.add_argument(
            "--max-wait", metavar="SECONDS", help="end after this time, exit code 3 if messages are left"
        )
        parser.add_argument(
            "--grace", metavar="SECONDS", default="30", help="time for running attempts after a stop (30)"
        )
        for name in OVERRIDES:
            setting = SETTINGS[name]
            parser.add_argument(
                f"--{name.replace('_', '-')}", metavar="N", help=f"{setting.unit}, {setting.range_text}"
            )
        for name in SWITCHES:
            parser.add_argument(f"--{name}", action=BooleanOptionalAction, help="wins over the setting")
        # How a process of --processes is started.
        parser.add_argument("--one-of-many", action="store_true", help=SUPPRESS)

    def handle(self, **options: Any) -> None:
        processes = _processes(options["processes"])
        parsed = Options(
            engine=Engine(options["engine"]),
            domain=options["domain"],
            once=options["once"],
            max_wait=_seconds("--max-wait", options["max_wait"]),
            grace=_seconds("--grace", options["grace"]) or 0.0,
            overrides=_overrides(options),
        )
        if options["one_of_many"]:
            name_lines()
        _refuse_without_set_up(parsed.engine, processes or 1)
        _refuse_unknown_domain(parsed.domain)
        params, direct = connection_params(), direct_params()
        connections.close_all()
        try:
            if processes is None:
                code = asyncio.run(work(parsed, params, direct))
            else:
                asyncio.run(check_start(parsed, params, direct, workers=processes))
                code = WorkerProcesses(parsed, processes).run()
        except StartError as exc:
            raise _refusal(f"runworker cannot start: {exc}", again=exc.again) from exc
        sys.exit(code)


def _refusal(message: str, *, again: bool = False) -> CommandError:
    """``again``: trying again later may help."""
    return CommandError(message, returncode=1 if again else EXIT_REFUSED)


def _refuse_without_set_up(engine: Engine, workers: int) -> None:
    if not (found := problems()):
        return
    if any(words in found[0].msg for words in NO_ROOM):
        needed = needs(workers * connections_needed(engine), workers)
        raise _refusal(f"runworker cannot start: {needed}. {found[0].msg}", again=True)
    raise _refusal("\n".join(f"{problem.msg} {problem.hint}" for problem in found), again=found[0].id == UNREACHABLE)


def _refuse_unknown_domain(domain: str) -> None:
    names = list(Domain.objects.names())
    if domain not in names:
        raise _refusal(f"--domain must be one of {', '.join(names)}, not {domain!r}.")


def _processes(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PROCESSES:
        raise _refusal(f"--processes must be a whole number from 1 to {MOST_PROCESSES}, not {text!r}.")
    return int(text)


def _seconds(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise _refusal(f"{option} must be a number of seconds from 0 to 86400, not {text!r}.")
    return value


def _overrides(options: Mapping[str, Any]) -> dict[str, int | float]:
    """The settings that the command line names."""
    numbers = {name: _number(name, options[name]) for name in OVERRIDES if options[name] is not None}
    return numbers | {name: options[name] for name in SWITCHES if options[name] is not None}


def _number(name: str, text: str) -> int | float:
    try:
        return SETTINGS[name].parse(text)
    except ValueError as exc:
        raise _refusal(f"--{name.replace('_', '-')}: {exc}") from exc
