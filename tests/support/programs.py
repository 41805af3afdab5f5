"""Programs under test, as subprocesses that never outlive their test."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.clusters import CHECKOUT
from tests.support.waiting import wait_until


class Program:
    """A running subprocess in a session of its own. What it prints, on both outputs, goes to a file."""

    def __init__(
        self, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str], cwd: Path = CHECKOUT
    ) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = 30) -> int:
        """Its exit code; AssertionError with what it printed if it does not end in time."""
        try:
            wait_until(lambda: self.returncode is not None, timeout, "End of the program")
        except AssertionError as exc:
            raise AssertionError(f"{exc}\nIt printed:\n{self.output}") from None
        assert self.returncode is not None
        return self.returncode

    def wait_for_output(self, text: str, timeout: float = 30) -> None:
        def seen() -> bool:
            assert self.returncode is None or text in self.output, f"Ended without {text!r}:\n{self.output}"
            return text in self.output

        wait_until(seen, timeout, f"{text!r} in the output of {self.log.name}")

    def kill(self) -> None:
        """End it and all that it started, at once; what it printed becomes part of the test's report."""
        if self.returncode is None:
            root = psutil.Process(self.pid)
            for process in (*root.children(recursive=True), root):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait()
        print(f"--- {self.log.name}, exit {self.returncode}\n{self.output}")  # noqa: T201 — pytest shows it on failure


def manage_command(*arguments: str) -> list[str]:
    return [sys.executable, str(CHECKOUT / "manage.py"), *arguments]


def inherited_environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", **changes}
