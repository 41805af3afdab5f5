"""The handlers' ledger (`bench.witness` writes it): every execution with its beginning and its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from bench.witness import BEGUN, ENDED

_NANOSECONDS = 1e9


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One call of a handler; times in Unix seconds. ``ended`` None: it neither returned nor raised."""

    command_id: UUID
    msg_id: int
    attempt: int
    worker: str
    pid: int
    began: float
    ended: float | None
    outcome: str


def read_executions(folder: Path) -> Iterator[Execution]:
    """Every execution of every worker process, process by process."""
    for path in sorted(folder.glob("executions-*.log")):
        _, worker, pid = path.stem.split("-", 2)
        yield from _of(path, worker, int(pid))


def _of(path: Path, worker: str, pid: int) -> Iterator[Execution]:
    open_ones: dict[tuple[str, str, str], float] = {}

    def execution(key: tuple[str, str, str], began: float, ended: float | None, outcome: str) -> Execution:
        command_id, msg_id, attempt = key
        return Execution(
            command_id=UUID(command_id), msg_id=int(msg_id), attempt=int(attempt), worker=worker, pid=pid, began=began,
            ended=ended, outcome=outcome,
        )  # fmt: skip

    with path.open() as file:
        for line in file:
            if not line.endswith("\n"):  # its process was killed while it wrote
                continue
            what, command_id, msg_id, attempt, time, outcome = line[:-1].split(" ", 5)
            key, moment = (command_id, msg_id, attempt), int(time) / _NANOSECONDS
            if what == BEGUN:
                if key in open_ones:  # the same attempt twice in one process: both are told
                    yield execution(key, open_ones[key], None, "")
                open_ones[key] = moment
            elif what == ENDED and key in open_ones:
                yield execution(key, open_ones.pop(key), moment, outcome)
    for key, began in open_ones.items():
        yield execution(key, began, None, "")


def crashes(folder: Path) -> int:
    """How many processes were ended at a program point."""
    return sum(
        line.startswith("X ") for path in folder.glob("executions-*.log") for line in path.read_text().splitlines()
    )
