"""The senders' ledger: what they tried, written before they did, and what they were told."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any, Self
from uuid import UUID


class Told(StrEnum):
    """What a sender was told (``bench_send.outcome``)."""

    ACKNOWLEDGED = "acknowledged"
    DUPLICATE = "duplicate"
    ERROR = "error"  # certainly not taken
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One command of the ledger; times in Unix seconds by the clock of this machine."""

    number: int
    command_id: UUID
    kind: str
    intended: float
    began: float
    answered: float | None
    told: Told


@dataclass(frozen=True, kw_only=True)
class Trying:
    """One command that is about to be sent. ``kind`` as of `bench.scenarios.plan.kind_of`, or a fault's own word."""

    command_id: UUID
    kind: str
    intended: float


class SendLedger:
    """The file ``sends.log`` of a run's folder; any thread may write."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "sends.log", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self._lock = Lock()
        self._next = 0
        self.tried = 0
        self.acknowledged = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def intend(self, commands: Sequence[Trying]) -> int:
        """Say that these are about to be sent together; what `answer` needs afterwards."""
        with self._lock:
            first = self._next
            self._next += len(commands)
            self.tried += len(commands)
        rows = [[str(command.command_id), command.kind, command.intended] for command in commands]
        self._write({"first": first, "began": time.time(), "commands": rows})
        return first

    def answer(self, first: int, count: int, told: Told) -> None:
        """Say what the sender of those was told; without this call it is unknown."""
        if told is Told.ACKNOWLEDGED:
            with self._lock:
                self.acknowledged += count
        self._write({"first": first, "answered": time.time(), "told": told.value})

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")


def read_sends(folder: Path) -> Iterator[Sent]:
    """Every command of the ledger, in the order of their numbers."""
    answers: dict[int, tuple[float, Told]] = {}
    path = folder / "sends.log"
    for line in _lines(path):
        if "told" in line:
            answers[line["first"]] = (line["answered"], Told(line["told"]))
    for line in _lines(path):
        if "commands" in line:
            answered, told = answers.get(line["first"], (None, Told.UNKNOWN))
            for place, (command_id, kind, intended) in enumerate(line["commands"]):
                yield Sent(
                    number=line["first"] + place, command_id=UUID(command_id), kind=kind, intended=intended,
                    began=line["began"], answered=answered, told=told,
                )  # fmt: skip


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open() as file:
        for line in file:
            if line.endswith("\n"):  # else its writer was killed
                yield json.loads(line)
