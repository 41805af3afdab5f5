"""What our management commands have in common: how they refuse, and how they end."""

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from typing import Any, NoReturn

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser

from e2e_site.options import Exit, SiteError
from e2e_site.texts import one_line


class SiteCommand(BaseCommand):
    """A command whose wrong options, errors for people and database errors are one line each, with an exit code."""

    requires_system_checks = ()  # what a command needs it asks for itself, and refuses

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        for each in parsers(parser):
            each.__class__ = _Parser  # Django makes its own, and lets nobody name another
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except SiteError as exc:
            raise CommandError(str(exc), returncode=exc.exit_code) from exc
        except psycopg.OperationalError as exc:
            raise CommandError(f"The database cannot be used: {one_line(exc)}", returncode=Exit.FAILED) from exc
        except psycopg.Error as exc:
            raise CommandError(one_line(exc), returncode=Exit.FAILED) from exc


def parsers(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """A parser and those of its actions."""
    yield parser
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            yield from action.choices.values()


class _Parser(CommandParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, as of every other error, and not how the command is called."""
        if not self.called_from_command_line:
            super().error(message)
        # argparse's "argument --runs: must be …"
        said = message.removeprefix("argument ").replace(": must be ", " must be ", 1)
        self.exit(Exit.REFUSED, f"CommandError: {said}\n")
