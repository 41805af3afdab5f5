"""The handlers' ledger: every execution with its beginning and its end, in a file of each worker process.

    bench.witness ─► ExecutionLedger ─► executions-WORKER-PID.ledger ─► read_executions

The file is memory that the process and the kernel share: what was stored there survives ``kill -9`` of the process and
an outage of the server, at the price of a store instead of a system call. Each execution is one record of a fixed size.
"""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    Place = tuple[mmap.mmap, int]  # of a record: the part of the file it is in, and where in that

_NANOSECONDS = 1e9

# One record. Each part is stored from left to right, so that its last field says that all of it is there; the file
# begins as zeros.
_BEGUN = Struct("<16s q i q")  # command, message, attempt, Unix time in ns
_ENDED = Struct("<92s q")  # outcome, Unix time in ns
_CRASHED = Struct("<24s")
_RECORD = Struct("<16sqiq 92sq 24s")
_ENDED_AT = _BEGUN.size
_CRASHED_AT = _ENDED_AT + _ENDED.size
_PART = 2048 * _RECORD.size  # whole records, and whole pages of any common size: a mapping begins at one


class ExecutionLedger:
    """The file of this process in ``folder``. One thread may write."""

    def __init__(self, folder: Path, worker: str) -> None:
        path = folder / f"executions-{worker}-{os.getpid()}.ledger"
        self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        self._parts = -(-os.fstat(self._file).st_size // _PART)
        self._part, self._next = self._new_part(), 0

    def begin(self, command_id: UUID, msg_id: int, attempt: int) -> Place:
        """Say that a handler is called; the answer is what the other two need. OSError where the disk is full."""
        if self._next == _PART:
            self._part, self._next = self._new_part(), 0
        at = self._next
        self._next = at + _RECORD.size
        _BEGUN.pack_into(self._part, at, command_id.bytes, msg_id, attempt, time.time_ns())
        return self._part, at

    def end(self, place: Place, outcome: str) -> None:
        """Say how it ended: ``ok``, or the class of what it raised, of which the first 92 bytes are kept."""
        part, at = place
        _ENDED.pack_into(part, at + _ENDED_AT, outcome.encode(), time.time_ns())

    def crash(self, place: Place, what: str) -> None:
        """Say that the process ends now, at most 24 bytes about why."""
        part, at = place
        _CRASHED.pack_into(part, at + _CRASHED_AT, what.encode())

    def _new_part(self) -> mmap.mmap:
        # Written, not only made longer: a store into a hole of a file on a full disk would end the process.
        at = self._parts * _PART
        if os.pwrite(self._file, bytes(_PART), at) < _PART:
            raise OSError(errno.ENOSPC, "No space left for the ledger of executions")
        self._parts += 1
        return mmap.mmap(self._file, _PART, offset=at)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One call of a handler; times in Unix seconds. ``ended`` None: it neither returned nor raised. ``crashed``: what
    `ExecutionLedger.crash` was told, or empty."""

    command_id: UUID
    msg_id: int
    attempt: int
    worker: str
    pid: int
    began: float
    ended: float | None
    outcome: str
    crashed: str


def read_executions(folder: Path) -> Iterator[Execution]:
    """Every execution of every worker process, process by process, in the order of their beginnings."""
    for path in sorted(folder.glob("executions-*.ledger")):
        _, worker, pid = path.stem.split("-", 2)
        with path.open("rb") as file:
            # What is shorter than a part is one that its process could not make.
            while len(part := file.read(_PART)) == _PART:
                yield from _of(part, worker, int(pid))


def _of(part: bytes, worker: str, pid: int) -> Iterator[Execution]:
    for command_id, msg_id, attempt, began, outcome, ended, crashed in _RECORD.iter_unpack(part):
        if began:
            yield Execution(
                command_id=UUID(bytes=command_id), msg_id=msg_id, attempt=attempt, worker=worker, pid=pid,
                began=began / _NANOSECONDS, ended=ended / _NANOSECONDS if ended else None,
                outcome=_text(outcome) if ended else "", crashed=_text(crashed),
            )  # fmt: skip


def _text(stored: bytes) -> str:
    return stored.rstrip(b"\0").decode(errors="ignore")
