"""``runworker --processes N``: worker processes, and the one that keeps them running.

    runworker --processes 4 ─┬─► runworker    each with its own connections, row and settings
                             ├─► runworker
                             └─► …

One that dies is started again, with a delay that grows while it keeps dying. A stop is passed on once: each process
runs in a session of its own, so that a Ctrl-C in the terminal reaches this one alone. When this one is killed the
others drain. Probes are answered by it: which of its processes works it knows by files that these touch.
"""

import logging
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from commands.worker.probes import Pauses, Probes
from commands.worker.process import Options
from e2e_site.options import Exit
from e2e_site.programs import LOOK_EVERY_S, Program, StopRequests, manage_command

logger = logging.getLogger(__name__)

MOST_PROCESSES = 64
MARGIN_S = 10  # for a process to end after its grace, or after the second signal
SILENT_AFTER_S = 10.0  # a process that touched its file no later is held up, or not there yet
_KNOWN = {Exit.DONE, Exit.FAILED, Exit.TIME_IS_UP}


class WorkerProcesses:
    """``count`` worker processes with the same options, kept running until told to stop.

    With ``--once`` or ``--max-wait`` one that ended in order stays down, and all is over when all have.
    """

    def __init__(self, options: Options, count: int, probes: Probes) -> None:
        self._options = options
        self._probes = probes
        self._signs = TemporaryDirectory(prefix="runworker-") if probes.wanted else None  # of life, a file each
        self._until = None if options.max_wait is None else time.monotonic() + options.max_wait
        ends = options.once or self._until is not None
        self._in_order = {Exit.DONE, Exit.TIME_IS_UP} if ends else set()
        self._stop_requests = StopRequests(signal.SIGINT, signal.SIGTERM)
        self._programs = [Program(f"worker process {number + 1}", ()) for number in range(count)]

    def run(self) -> int:
        """Run them all; returns the worst of their exit codes, `Exit.REFUSED` where one of them cannot start."""
        with self._stop_requests.heard(), Pauses(self._probes, self._readiness) as pauses:
            try:
                for program in self._programs:
                    self._start(program)
                while self._go_on():
                    pauses.pause(LOOK_EVERY_S)
                # What died before and waits for its next start has nothing to drain; its end is no failure of a stop.
                waiting = [program for program in self._programs if self._waits_for_its_start(program)]
                self._stop(pauses)
            finally:
                for program in self._programs:
                    program.end()
                if self._signs is not None:
                    self._signs.cleanup()
        codes = [program.exit_code for program in self._programs if program not in waiting]
        code = worst(codes, stop_requests=self._stop_requests.count)
        logger.info("all worker processes ended", extra={"action": "processes_ended", "exit_code": code})
        return code

    def _go_on(self) -> bool:
        """Start again what died; whether there is anything to wait for."""
        codes = {program.exit_code for program in self._programs}
        if self._stop_requests.count or Exit.REFUSED in codes or codes <= self._in_order:
            return False
        for program in self._programs:
            if program.exit_code not in self._in_order:
                self._look(program)
        return True

    def _look(self, program: Program) -> None:
        pid = program.pid

        def say(line: str) -> None:
            logger.warning(line, extra={"action": "process_ended", "pid": pid})

        program.command = self._command(program)  # with the rest of --max-wait
        program.keeper.check(say, program.ending)
        if program.pid != pid:
            self._say_started(program)

    def _start(self, program: Program) -> None:
        program.command = self._command(program)
        program.start()
        self._say_started(program)

    def _say_started(self, program: Program) -> None:
        logger.info("%s started", program.name, extra={"action": "process_started", "pid": program.pid})

    def _waits_for_its_start(self, program: Program) -> bool:
        return not program.is_up() and program.exit_code not in self._in_order | {Exit.REFUSED}

    def _readiness(self) -> dict[str, str]:
        """What ``/readyz`` tells: that one of the processes works at least."""
        if self._stop_requests.count:
            return {"processes": "they drain"}
        working = sum(program.is_up() and self._shows_life(program) for program in self._programs)
        return {"processes": "" if working else f"none of {len(self._programs)} works"}

    def _shows_life(self, program: Program) -> bool:
        sign = self._sign_of(program)
        return sign is not None and sign.exists() and time.time() - sign.stat().st_mtime < SILENT_AFTER_S

    def _sign_of(self, program: Program) -> Path | None:
        return None if self._signs is None else Path(self._signs.name, program.name.replace(" ", "-"))

    def _stop(self, pauses: Pauses) -> None:
        """Pass on each request to stop, at most two, and wait until all have ended; not for ever."""
        told, deadline = 0, 0.0
        while any(program.is_up() for program in self._programs):
            if told < min(max(self._stop_requests.count, 1), 2):
                told += 1
                deadline = time.monotonic() + MARGIN_S + (self._options.grace if told == 1 else 0)
                logger.info("stopping the worker processes", extra={"action": "stopping", "at_once": told > 1})
                for program in self._programs:
                    program.ask_to_stop()
            if time.monotonic() > deadline:
                return
            pauses.pause(LOOK_EVERY_S)

    def _command(self, program: Program) -> list[str]:
        left = None if self._until is None else max(0.0, self._until - time.monotonic())
        sign = self._sign_of(program)
        signs = [] if sign is None else [f"--heartbeat-file={sign}"]
        return manage_command("runworker", *arguments(self._options, max_wait=left), *signs)


def arguments(options: Options, *, max_wait: float | None) -> list[str]:
    """The command line of one of several processes with these options."""
    words = ["--one-of-many", f"--engine={options.engine}", f"--domain={options.domain}", f"--grace={options.grace}"]
    if options.handlers is not None:
        words.append(f"--handlers={options.handlers}")
    if options.around is not None:
        words.append(f"--around={options.around}")
    if not options.samples:
        words.append("--no-sampler")
    if options.once:
        words.append("--once")
    if max_wait is not None:
        words.append(f"--max-wait={max_wait:.3f}")
    for name, value in options.overrides.items():
        option = name.replace("_", "-")
        words.append(f"--{'' if value else 'no-'}{option}" if isinstance(value, bool) else f"--{option}={value}")
    return words


def worst(codes: Sequence[int | None], *, stop_requests: int) -> int:
    """One exit code for processes that ended with these, after so many requests to stop."""
    if Exit.REFUSED in codes:
        return Exit.REFUSED
    # One that was told to stop before it could hear had not begun anything.
    unheard = {-signal.SIGTERM, None} if stop_requests == 1 else {None}
    ends = (Exit.DONE if code in unheard else code if code in _KNOWN else Exit.FAILED for code in codes)
    return max(ends, default=Exit.DONE)


def name_lines() -> None:
    """Let each log line of this process say which of many it is: by the process id, as in the worker's row."""

    def add_pid(record: logging.LogRecord) -> bool:
        record.pid = os.getpid()
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(add_pid)
