"""What the microscope shows of a command: its course, in seconds since it was sent, and who holds its rows now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.close_up import Course, Delivery, Moment, Work
from commands.reads.expected import lease
from commands.rules.formatting import number
from commands.rules.words import Status, command_queue, queue_table
from e2e_site.named_sql import NamedSql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from commands.reads.one_command import OneCommand
    from commands.rules.timeline import Attempt, Event
    from e2e_site.named_sql import Row

MOST_EXECUTIONS = 200

_SQL = NamedSql(Path(__file__).with_name("microscope.sql"))


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Who holds (``waits`` False) or waits for a row: ``what`` is command or message; ``lasts`` of its transaction."""

    what: str
    waits: bool
    pid: int
    name: str
    state: str
    lasts: timedelta | None

    @property
    def lasts_ms(self) -> float | None:
        return None if self.lasts is None else max(0.0, self.lasts / timedelta(milliseconds=1))


def executions(found: OneCommand) -> list[Row]:
    """Those that a ledger tells of, the oldest first, `MOST_EXECUTIONS` at most."""
    return _SQL.rows("executions", command_id=found.command["command_id"], most=MOST_EXECUTIONS)


def locks(found: OneCommand) -> list[Lock]:
    """Who holds its rows at this moment. Locks of the past leave no trace."""
    command = found.command
    tables = {"commands": queue_table(command_queue(command["domain"]))}
    rows = _SQL.rows(
        "locks", tables, domain=command["domain"], command_id=command["command_id"], msg_id=command["msg_id"]
    )
    return [
        Lock(what=row["what"], waits=not row["granted"], pid=row["pid"], name=row["application_name"] or "",
             state=row["state"] or "", lasts=row["lasts"])
        for row in rows
    ]  # fmt: skip


def course(found: OneCommand, done: Sequence[Row]) -> Course:
    """All that is known of it. The axis begins where it was sent, or with the first event that is known."""
    outcome = found.outcome
    begins = [event.ts for event in outcome.events] + [row["began_at"] for row in done]
    axis = _Axis(min(begins, default=found.command["created_at"]))
    deliveries = _deliveries(found, axis)
    named = {(one.message, one.attempt): one.worker for one in deliveries}
    goes_on = not found.status.is_final or outcome.awaited
    ends = [axis.at(event.ts) for event in outcome.events] + [
        axis.at(row["ended_at"] or row["began_at"]) for row in done
    ]
    return Course(
        deliveries=deliveries,
        works=_works(done, named, axis),
        moments=[_moment(event, axis) for event in outcome.events],
        until_s=axis.at(outcome.now) if goes_on else max(ends, default=0.0),
    )


def window(attempt: Attempt, course: Course) -> tuple[float, float]:
    """The part of the axis on which this attempt fills most of the drawing."""
    (one,) = [one for one in course.deliveries if (one.message, one.attempt) == (attempt.msg_id or 0, attempt.number)]
    works = [work for work in course.works if (work.message, work.attempt) == (one.message, one.attempt)]
    ends = [end for end in (one.ended_s, *(work.ended_s for work in works)) if end is not None]
    end = max(ends, default=min(course.until_s, one.lease_s or course.until_s))
    margin = max(0.001, (end - one.began_s) * 0.15)
    return one.began_s - margin, max(end, one.began_s) + margin


@dataclass(frozen=True)
class _Axis:
    origin: datetime

    def at(self, moment: datetime) -> float:
        return (moment - self.origin).total_seconds()


def _deliveries(found: OneCommand, axis: _Axis) -> list[Delivery]:
    """Each attempt of the audit; the lease of the newest one ends when its message says, where it is still held."""
    outcome, command, message = found.outcome, found.command, found.message
    length = lease(command, outcome, found.config).length
    made = []
    for place, attempt in enumerate(outcome.attempts):
        until = None if length is None else attempt.started + length
        newest = place == len(outcome.attempts) - 1
        if newest and message and attempt.msg_id == command["msg_id"] and _is_held(found):
            until = max(message["vt"], attempt.started)
        made.append(
            Delivery(
                attempt=attempt.number,
                worker=attempt.worker_name,
                began_s=axis.at(attempt.started),
                ended_s=axis.at(attempt.end.ts) if attempt.end else None,
                end=attempt.end.event_type if attempt.end else "",
                code=_code(attempt.end.details) if attempt.end else "",
                lease_s=None if until is None else axis.at(until),
                due_s=axis.at(attempt.due) if attempt.due else None,
                message=attempt.msg_id or 0,
            )
        )
    return made


def _is_held(found: OneCommand) -> bool:
    return found.status == Status.IN_PROGRESS and not found.waiting


def _works(done: Sequence[Row], named: dict[tuple[int, int], str], axis: _Axis) -> list[Work]:
    """Called by the name that its worker has on the site, where the audit says which that is."""
    return [
        Work(
            attempt=row["attempt"],
            worker=named.get((row["msg_id"], row["attempt"])) or row["worker"],
            began_s=axis.at(row["began_at"]),
            ended_s=axis.at(row["ended_at"]) if row["ended_at"] else None,
            outcome=row["outcome"] or "",
            overlaps=any(_overlap(row, other) for other in done if other is not row),
            message=row["msg_id"],
        )
        for row in done
    ]


def _overlap(one: Row, other: Row) -> bool:
    """One without an end is told nothing of: it may have died at once."""
    if one["ended_at"] is None or other["ended_at"] is None:
        return False
    return bool(one["began_at"] < other["ended_at"] and other["began_at"] < one["ended_at"])


def _moment(event: Event, axis: _Axis) -> Moment:
    attempt = number(event.details.get("attempt"))
    return Moment(
        at_s=axis.at(event.ts),
        type=event.event_type,
        attempt=None if attempt is None else int(attempt),
        code=_code(event.details),
    )


def _code(details: Any) -> str:
    """The code or the reason, as short as it stands there."""
    for key in ("error_code", "reason"):
        if isinstance(found := details.get(key), str) and found:
            return found[:100]
    return ""
