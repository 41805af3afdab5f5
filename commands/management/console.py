"""What the commands of the console have in common: how they print, how they refuse, and how they end."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import psycopg
from django import db
from django.http import Http404

from commands.checks import problems
from commands.management.json_lines import json_line
from e2e_site.command import SiteCommand
from e2e_site.options import Exit, SiteError
from e2e_site.texts import cut, escaped, one_line

NARROWEST = 60  # columns of a terminal
PROGRESS_S = 1.0  # on a terminal, where a line takes the place of the one before it
PROGRESS_IN_A_FILE_S = 5.0


class CallError(SiteError):
    """The call is wrong: the text names the option and says what is allowed."""

    exit_code = Exit.REFUSED


class ConsoleCommand(SiteCommand):
    """A command that reads or changes what the site's pages show. What it found goes to stdout, all else to stderr.

    A subclass has ``run``, which answers an exit code. Errors of the database end it with `Exit.REFUSED`: `Exit.FAILED`
    says that something is not as promised.
    """

    def handle(self, **options: Any) -> None:
        try:
            if found := problems():
                raise CallError("\n".join(f"{problem.msg} {problem.hint}" for problem in found))
            code = self.run(**options)
            self.stdout.flush()
        except BrokenPipeError:  # who reads has had enough, as of "| head"
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = Exit.DONE
        except KeyboardInterrupt:
            self.note("Interrupted.")
            code = Exit.INTERRUPTED
        except (psycopg.Error, db.Error) as exc:
            raise CallError(f"The database cannot be used: {one_line(exc)}") from exc
        except Http404 as exc:
            raise CallError(str(exc)) from exc
        if code != Exit.DONE:
            sys.exit(code)

    def run(self, **options: Any) -> Exit:
        raise NotImplementedError

    def say(self, line: str) -> None:
        """A line of what was asked for, there at once."""
        self.stdout.write(escaped(line))
        self.stdout.flush()

    def say_json(self, value: Any) -> None:
        self.stdout.write(json_line(value))

    def note(self, line: str) -> None:
        """A line about it, for people."""
        self.stderr.write(escaped(line), lambda text: text)
        self.stderr.flush()

    def say_table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Columns, each as wide as its widest cell; on a terminal no line is longer than that is wide."""
        most = max(NARROWEST, shutil.get_terminal_size().columns) if self.stdout.isatty() else None
        for line in table(heads, rows):
            self.stdout.write(line if most is None else cut(line, most))

    def note_end(self, found: int, looked: int, reach: datetime | None, more: str) -> None:
        """How far a list looked, and how it goes on."""
        if not found:
            self.note("None is met.")
        if reach is not None:
            self.note(f"{found:,} found among the newest {looked:,}, back to {reach:%Y-%m-%d %H:%M} UTC.")
        if more:
            self.note(f"More: --cursor {more}")

    def progress(self) -> Callable[[str], None]:
        """A function that says how far it is, now and then."""
        terminal = self.stderr.isatty()
        said = time.monotonic()

        def tell(line: str) -> None:
            nonlocal said
            if time.monotonic() - said >= (PROGRESS_S if terminal else PROGRESS_IN_A_FILE_S):
                said = time.monotonic()
                self.note(line)

        return tell


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, head first; what would move a terminal's cursor is escaped."""
    cells = [list(heads), *([escaped(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
