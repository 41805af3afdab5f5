"""The console's commands as a shell calls them, without the half second that a process needs to start."""

import json
import sys
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError


@dataclass(frozen=True)
class Answer:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document that it printed, on one line."""
        (line,) = self.out.splitlines()
        return json.loads(line)


class Terminal(StringIO):
    """Stdin of a person who types this."""

    def isatty(self) -> bool:
        return True


class CommandLine:
    """Runs ``manage.py <words>`` in this process: options, streams and exit code are those of a shell's call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: object, stdin: StringIO | str = "") -> Answer:
        name, *rest = map(str, words)
        self._monkeypatch.setattr(sys, "stdin", StringIO(stdin) if isinstance(stdin, str) else stdin)
        made = load_command_class(get_commands()[name], name)
        made._called_from_command_line = True  # type: ignore[attr-defined]  # as ``run_from_argv`` does
        out, err = StringIO(), StringIO()
        self._capsys.readouterr()
        try:
            options = vars(made.create_parser("manage.py", name).parse_args(rest))
            made.execute(stdout=out, stderr=err, **options)
            code = 0
        except CommandError as exc:
            code, _ = exc.returncode, err.write(f"CommandError: {exc}\n")
        except SystemExit as exc:
            code = int(exc.code or 0)
        return Answer(code, out.getvalue(), err.getvalue() + self._capsys.readouterr().err)
