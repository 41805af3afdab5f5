"""Waiting on the command line: for one command, for all that a bulk send sent, for an operation."""

import time
from collections.abc import Callable, Iterator
from uuid import UUID

from django.db import connection

from commands.bus.operations import WORK
from commands.models import Operation
from commands.reads import one_command, sent
from commands.reads.expected import expected
from commands.reads.one_command import OneCommand
from commands.rules.agreement import Verdict
from commands.rules.words import OperationState, Status
from e2e_site.options import Exit

SHORTEST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
READS_SHARE = 10  # reading takes at most a tenth of the time

CODES = {
    Verdict.MATCH: Exit.DONE,
    Verdict.ALLOWED: Exit.DONE,
    Verdict.NOT_YET: Exit.TIME_IS_UP,
    Verdict.STUCK: Exit.TIME_IS_UP,
}  # all others: Exit.FAILED


class Deadline:
    """A point in time; None: none."""

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> float:
        return float("inf") if self._at is None else max(0.0, self._at - time.monotonic())

    def turns(self) -> Iterator[None]:
        """A look after the other, at least one: longer pauses the longer it takes, and the longer a look does."""
        pause = SHORTEST_PAUSE_S
        while True:
            begun = time.monotonic()
            yield
            if not self.left:
                return
            pause = min(pause * 1.3, LONGEST_PAUSE_S)
            time.sleep(min(max(pause, READS_SHARE * (time.monotonic() - begun)), self.left))


def code_of(verdict: Verdict) -> Exit:
    return CODES.get(verdict, Exit.FAILED)


def for_command(command_id: UUID, deadline: Deadline) -> OneCommand:
    """The command when its end is judged, or when the time is up. Raises Http404 where it is gone."""
    for _ in deadline.turns():
        found = one_command.read(command_id)
        if found.status.is_final and verdict_of(found) != Verdict.NOT_YET:
            break
    return found


def verdict_of(found: OneCommand) -> Verdict:
    return expected(found.command, found.outcome, found.config).agreement.verdict


def for_all_sent(correlation_id: UUID, deadline: Deadline, tell: Callable[[str], None]) -> dict[Status, int]:
    """How many commands stand where, when all are over or the time is up."""
    standing: dict[Status, int] = {}
    for _ in deadline.turns():
        standing = sent.standing(correlation_id)
        over = sum(count for status, count in standing.items() if status.is_final)
        if over == sum(standing.values()):
            break
        tell(f"{over:,} of {sum(standing.values()):,} are over.")
    return standing


def for_operation(number: int, deadline: Deadline, tell: Callable[[str], None]) -> Operation:
    """The operation when it is over, or when the time is up. What is due is worked off here, and by workers too."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(WORK)
            answer = cursor.fetchone()[0]
        operation = Operation.objects.get(pk=number)
        if OperationState(operation.state).is_over or not deadline.left:
            return operation
        tell(f"{operation.done:,} of {operation.wanted:,} done.")
        if answer["operation"] is None:
            time.sleep(min((answer["due_ms"] or 0) / 1000, LONGEST_PAUSE_S, deadline.left))
