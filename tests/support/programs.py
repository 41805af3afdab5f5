"""Programs under test, as subprocesses that never outlive their test."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from e2e_site.programs import Program
from tests.support.clusters import CHECKOUT
from tests.support.waiting import wait_until


class StartedProgram(Program):
    """A program that runs from its making on, whose failures are assertion errors that quote what it printed."""

    def __init__(
        self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str], directory: Path = CHECKOUT
    ) -> None:
        super().__init__(
            name,
            [str(word) for word in command],
            environment=environment,
            directory=directory,
            keeps_output=True,
            stops_with_us=False,  # a test process has threads, and Python 3.12 warns of what that needs
        )
        self.start()

    def wait(self, timeout: float = 30) -> int:
        """Its exit code; AssertionError with what it printed if it does not end in time."""
        try:
            wait_until(lambda: not self.is_up(), timeout, "End of the program")
        except AssertionError as exc:
            raise AssertionError(f"{exc}\nIt printed:\n{self.output}") from None
        assert self.exit_code is not None
        return self.exit_code

    def wait_for_output(self, text: str, timeout: float = 30) -> None:
        def seen() -> bool:
            assert self.is_up() or text in self.output, f"Ended without {text!r}:\n{self.output}"
            return text in self.output

        wait_until(seen, timeout, f"{text!r} in the output of {self.name}")

    def kill(self) -> None:
        """End it and all that it started, at once; what it printed becomes part of the test's report."""
        if self.is_up():
            root = psutil.Process(self.pid)
            for process in (*root.children(recursive=True), root):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.end()
        print(f"--- {self.name}, exit {self.exit_code}\n{self.output}")  # noqa: T201 — pytest shows it on failure


def inherited_environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", **changes}
