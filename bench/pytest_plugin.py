"""A pytest plugin, ``-p bench.pytest_plugin``: scenarios as tests, and a real bus for tests of one's own handlers.

    *.bench.yaml                          a test each: the run has to come to the verdict that its file expects
    bench.run(scenario, handlers="…")     a run, from Python: its verdict, and whatever else its document has
    bus_db                                a database of its own with the whole bus in it
    workers(handlers="…")                 real ``runworker`` processes on it

Everything happens in programs of this checkout, ``manage.py bench …`` and ``manage.py runworker``: the tests may have
another Django project, or none. docs/bench-pytest.md says how another project uses it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from bench.report.document import CommandVerdict, Document, RuleWord
from bench.scenarios.builder import Builder, built
from bench.scenarios.yaml_file import SUFFIX, ScenarioError, read_file, to_yaml
from e2e_site.options import Exit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bench.report.document import Rule
    from bench.scenarios.model import Scenario

MANAGE = Path(__file__).resolve().parent.parent / "manage.py"
ANSWERS_WITHIN_S = 120  # beside what its load and its drain may take
READY_WITHIN_S = 60
STOPS_WITHIN_S = 20
_LOOK_S = 0.05
_SHOWN = 5
_BAD = (CommandVerdict.MISMATCH, CommandVerdict.STUCK, CommandVerdict.LOST, CommandVerdict.UNKNOWN)
_READY = "SELECT count(*) FROM public.e2e_worker WHERE host = %s AND pid = ANY (%s) AND beat_at IS NOT NULL"


class BenchFailure(AssertionError):  # noqa: N818  # pytest shows it as a failure, as any assertion
    """What a run came to is not what was asserted; the text says why."""


@dataclass(frozen=True)
class Result:
    """What a run came to. ``document``: all of it (docs/bench.md)."""

    document: Document

    @property
    def verdict(self) -> str:
        return self.document.head.verdict.value

    def assert_verdict(self, expected: str = "PASS") -> None:
        """It came to this verdict: PASS, FAIL or UNKNOWN."""
        if self.verdict != expected:
            raise BenchFailure(f"{self.verdict}, and {expected} was expected.\n{self.told()}")

    def assert_matches_oracle(self) -> None:
        """Every command came to what had to become of it, whatever else was wrong; a known deviation counts as such."""
        found = {verdict: self.document.verdicts.get(verdict.value, 0) for verdict in _BAD}
        judged = sum(self.document.verdicts.values())
        if judged < self.document.accounting.acknowledged or not judged:
            raise BenchFailure(
                f"The oracle judged {judged:,} commands of {self.document.accounting.acknowledged:,}.\n{self.told()}"
            )
        if any(found.values()):
            said = ", ".join(f"{number:,} {verdict.label.lower()}" for verdict, number in found.items() if number)
            raise BenchFailure(f"Not as the oracle says: {said}.\n{self.told()}")

    def told(self) -> str:
        """The verdict, why, what is broken and how the run is made again."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        head = self.document.head
        yield f"{head.verdict} {head.scenario}, seed {head.seed}, {head.seconds:g} s: {head.why}"
        for unknown in head.unknowns:
            yield f"  unknown: {unknown}"
        for rule in self.document.rules:
            if rule.word in (RuleWord.BROKEN, RuleWord.UNKNOWN):
                yield from _rule_lines(rule)
        for criterion in (*self.document.expectations, *self.document.sometimes):
            if criterion.held is not True:
                yield f"  not so: {criterion.text} ({criterion.seen})"
        for fault in self.document.faults:
            if not fault.fired:
                yield f"  did not fire: {fault.do} {fault.detail}".rstrip()
            for criterion in fault.criteria:
                if criterion.held is not True:
                    yield f"  not so, {fault.do}: {criterion.text} ({criterion.seen})"
        yield f"  again: {head.command}"


def _rule_lines(rule: Rule) -> Iterator[str]:
    yield f"  {rule.word.label.lower()}: {rule.id} {rule.text}" + (f" ({rule.why})" if rule.why else "")
    for sample in rule.samples[:_SHOWN]:
        yield f"    {sample.command_id or '-'} {sample.word} {sample.detail}"


class Bench:
    """Runs scenarios, each in a program and a database of its own."""

    def run(self, scenario: Scenario | Builder, *, handlers: str | None = None, seed: int | None = None) -> Result:
        """Run it. ``handlers``: the module of yours that performs its commands, as of ``runworker --handlers``.

        Raises BenchFailure where it could not be run; whatever it came to is in the result.
        """
        if handlers is not None and isinstance(scenario, Builder):
            scenario = scenario.handlers(handlers)
        made = built(scenario)
        if handlers is not None:
            groups = tuple(group.model_copy(update={"handlers": handlers}) for group in made.workers)
            made = made.model_copy(update={"workers": groups})
        with TemporaryDirectory(prefix="bench-pytest-") as folder:
            path = Path(folder) / f"{made.scenario}{SUFFIX}"
            path.write_text(to_yaml(made), "utf-8")
            return run_file(path, made, seed=seed)


def run_file(path: Path, scenario: Scenario, *, seed: int | None = None) -> Result:
    """Run the scenario of a file. Raises BenchFailure where it could not be run."""
    with TemporaryDirectory(prefix="bench-pytest-") as folder:
        report = Path(folder) / "report.json"
        words = ["bench", "run", str(path), "--json", str(report)]
        if seed is not None:
            words += ["--seed", str(seed)]
        most_s = scenario.lasts_s * 2 + scenario.seconds(scenario.drains_within) + ANSWERS_WITHIN_S
        with _manage(*words) as program:
            try:
                code = program.process.wait(most_s)
            except subprocess.TimeoutExpired:
                raise BenchFailure(f"{path.name} did not end within {most_s:.0f} s.\n{program.said()}") from None
            if code not in (Exit.DONE, Exit.FAILED, Exit.TIME_IS_UP) or not report.exists():
                raise BenchFailure(f"{path.name} could not be run (exit code {code}).\n{program.said()}")
        return Result(Document.model_validate_json(report.read_bytes()))


# -- scenarios as tests -----------------------------------------------------------------------------------------------


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> ScenarioFile | None:
    if file_path.name.endswith(SUFFIX):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


class ScenarioFile(pytest.File):
    """``NAME.bench.yaml``."""

    def collect(self) -> Iterable[pytest.Item]:
        try:
            scenario = read_file(self.path)
        except ScenarioError as exc:
            raise self.CollectError(str(exc)) from None
        yield ScenarioItem.from_parent(self, name=scenario.scenario, scenario=scenario)


class ScenarioItem(pytest.Item):
    """The run of one scenario."""

    def __init__(self, *, scenario: Scenario, **more: Any) -> None:
        super().__init__(**more)
        self.scenario = scenario

    def runtest(self) -> None:
        result = run_file(self.path, self.scenario)
        result.assert_verdict(self.scenario.expect.verdict.value)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, BenchFailure) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"scenario {self.name}: {self.scenario.about}"


# -- fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bench() -> Bench:
    """Runs scenarios."""
    return Bench()


@dataclass(frozen=True)
class BusDatabase:
    """A database with the whole bus in it, dropped afterwards. ``url``: for whatever connects to it."""

    name: str
    url: str = field(repr=False)

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection to it, in autocommit."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            yield conn

    def wait_for(self, status: str, command_ids: Iterable[object], *, within_s: float = 30) -> None:
        """Until each of these commands has this status. Raises BenchFailure."""
        ids = [str(command_id) for command_id in command_ids]
        query = "SELECT command_id::text, status FROM commandbus.command WHERE command_id = ANY (%s::uuid[])"
        deadline = time.monotonic() + within_s
        with self.connect() as conn:
            while True:
                found = dict(conn.execute(query, [ids]).fetchall())
                others = {each: found.get(each, "not there") for each in ids if found.get(each) != status}
                if not others:
                    return
                if time.monotonic() > deadline:
                    raise BenchFailure(f"Not {status} within {within_s:g} s: {others}")
                time.sleep(_LOOK_S)


@pytest.fixture
def bus_db() -> Iterator[BusDatabase]:
    """A database of the test's own, made and dropped by ``manage.py bench database``."""
    with _manage("bench", "database", stdin=subprocess.PIPE) as program:
        deadline = time.monotonic() + ANSWERS_WITHIN_S
        while not (line := program.first_line()):
            if program.process.poll() is not None or time.monotonic() > deadline:
                raise BenchFailure(f"There is no database to test on.\n{program.said()}")
            time.sleep(_LOOK_S)
        yield BusDatabase(**json.loads(line))


class StartWorkers:
    """Starts workers on a database."""

    def __init__(self, database: BusDatabase, started: list[_Program]) -> None:
        self._database = database
        self._started = started

    def __call__(
        self, count: int = 1, *, handlers: str | None = None, engine: str = "native", concurrency: int = 4
    ) -> list[int]:
        """Start so many and wait until they work; their process ids. Raises BenchFailure."""
        words = ["runworker", "--no-sampler", f"--engine={engine}", f"--concurrency={concurrency}"]
        if handlers is not None:
            words.append(f"--handlers={handlers}")
        environment = {"SECRET_KEY": token_hex(), **os.environ, "DATABASE_URL": self._database.url}
        environment.pop("LISTEN_DATABASE_URL", None)
        programs = [_Program(*words, environment=environment) for _ in range(count)]
        self._started.extend(programs)
        pids = [program.process.pid for program in programs]
        deadline = time.monotonic() + READY_WITHIN_S
        with self._database.connect() as conn:
            while (conn.execute(_READY, [socket.gethostname(), pids]).fetchone() or (0,))[0] < count:
                if ended := [program for program in programs if program.process.poll() is not None]:
                    raise BenchFailure(f"A worker ended before it worked.\n{ended[0].said()}")
                if time.monotonic() > deadline:
                    raise BenchFailure(f"The workers were not ready within {READY_WITHIN_S} s.")
                time.sleep(_LOOK_S)
        return pids


@pytest.fixture
def workers(bus_db: BusDatabase) -> Iterator[StartWorkers]:
    """Starts workers on `bus_db`; they are stopped after the test."""
    started: list[_Program] = []
    yield StartWorkers(bus_db, started)
    for program in started:
        program.process.send_signal(signal.SIGTERM)
    for program in started:
        program.ended()


# -- programs ---------------------------------------------------------------------------------------------------------


class _Program:
    """A management command of this checkout. It finds the modules that this process finds."""

    def __init__(
        self, *words: str, stdin: int = subprocess.DEVNULL, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._kept = TemporaryFile()  # noqa: SIM115  # as long as the program
        self.process = subprocess.Popen(  # noqa: S603  # our own programs
            [sys.executable, str(MANAGE), *words],
            stdin=stdin,
            stdout=self._kept,
            stderr=subprocess.STDOUT,
            env={**environment, "PYTHONPATH": _path(), "PYTHONUNBUFFERED": "1"},
        )

    def said(self) -> str:
        """What it printed last."""
        return self._output()[-4000:].strip()

    def first_line(self) -> str:
        """Empty until it is whole."""
        line, end, _ = self._output().partition("\n")
        return line if end else ""

    def _output(self) -> str:
        number = self._kept.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace")

    def ended(self) -> None:
        """Wait until it has ended; end it at once where it does not by itself."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOPS_WITHIN_S)
        self.process.kill()
        self.process.wait()
        self._kept.close()


@contextmanager
def _manage(*words: str, stdin: int = subprocess.DEVNULL) -> Iterator[_Program]:
    """Such a program, which puts away what it has made when this ends."""
    program = _Program(*words, stdin=stdin)
    try:
        yield program
    finally:
        if program.process.stdin is not None:
            program.process.stdin.close()
        else:
            program.process.send_signal(signal.SIGINT)
        program.ended()


def _path() -> str:
    """Where this process finds what is not installed: the modules of handlers are there."""
    installed = {Path(prefix) for prefix in (sys.prefix, sys.base_prefix)}
    found = [Path(part or ".").resolve() for part in (*sys.path, ".")]
    own = [str(part) for part in found if part.is_dir() and not installed & {part, *part.parents}]
    return os.pathsep.join(dict.fromkeys(own))
