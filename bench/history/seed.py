"""A database filled with history: as the bus would have written it in so many days, in minutes.

    stories.py ─► story, step ─► made (one row a command) ─► rows, events and messages, by seed.sql

It is written slice by slice, oldest first, each in a transaction of its own that holds whole stories: in the first two
thirds of a slice's time its commands are sent, in the last third operators act. So events stand in the order of time,
and a history that was interrupted is a shorter one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from psycopg import ClientCursor
from psycopg.rows import dict_row

from bench.history.stories import STORIES
from bench.history.story import LEASE_MS, LONGEST_MS, MAX_ATTEMPTS, WAITING, Story
from commands.rules.words import COMMAND_TYPE, archive_table, command_queue, queue_table, reply_queue
from e2e_site.named_sql import NamedSql
from e2e_site.options import Exit, SiteError

if TYPE_CHECKING:
    import psycopg

SLICE = 100_000  # commands a transaction, at most
BULK = 5000  # commands with one correlation id; of ten such bulks one asks for replies
REJECTED_PER = 20_000  # commands for one rejected message; the first slice has one more
WAITING_FOR = timedelta(minutes=10)  # what waits was sent in this time, at the end
OPERATORS = ("ann", "ben", "carla")
_GOLDEN = (math.sqrt(5) - 1) / 2
_WRITTEN = ("operations", "commands", "test_commands", "parked", "messages", "reply_messages", "events")

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


class HistoryError(SiteError):
    """There cannot be such a history, or not in this database."""

    exit_code = Exit.REFUSED


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What history: ``commands`` in all, of which so many are ``parked``, ``failed``, ``canceled`` and ``waiting``.

    Those that wait are PENDING or IN_PROGRESS, and the others are completed. Raises HistoryError where there are more.

    The same ``seed`` gives the same commands at the same places; their ids differ, since they hold the time.
    """

    commands: int
    parked: int
    failed: int
    canceled: int
    waiting: int
    days: int
    domain: str
    seed: int

    def __post_init__(self) -> None:
        if self.parked + self.failed + self.canceled + self.waiting > self.commands:
            raise HistoryError(f"More than {self.commands:,} commands are asked for in the single statuses together.")

    @property
    def final(self) -> int:
        return self.commands - self.waiting


@dataclass(frozen=True, kw_only=True)
class Slice:
    """``count`` commands from number ``first`` on, in this time."""

    first: int
    count: int
    begins: datetime
    ends: datetime

    @property
    def sends_for(self) -> timedelta:
        return (self.ends - self.begins) * 2 / 3

    def parameters(self) -> dict[str, Any]:
        """Its moments for ``seed.sql``: when commands are sent, when operators act, how fast stories go."""
        length = self.ends - self.begins
        return {
            "first": self.first,
            "count": self.count,
            "begins": self.begins,
            "gap": self.sends_for / max(self.count, 1),
            "hand_at": self.begins + length * 0.75,
            "hand_span": length * 0.2,
            "bulk_at": self.begins + length * 5 / 6,
            # What takes longer than there is time for, as in a short test, goes faster.
            "scale": min(1.0, length.total_seconds() * 1000 / 3 / LONGEST_MS) / 1000,
        }


@dataclass(frozen=True, kw_only=True)
class Written:
    """What is in the database by now, of this history."""

    commands: int
    events: int
    until: datetime


def seed(conn: psycopg.Connection[Any], wanted: Wanted, *, add: bool = False) -> Iterator[Written]:
    """Write a history; yields after each slice, which stays whatever happens next. ``conn`` is in autocommit mode.

    Raises HistoryError where there are commands already, unless they are to be added to. Then the new ones begin
    behind the newest event.
    """
    cursor = conn.cursor(row_factory=dict_row)
    found = cursor.execute(_SQL.text("range"), {"days": wanted.days}).fetchone()
    assert found is not None
    if found["has_commands"] and not add:
        raise HistoryError("There are commands in this database. --add adds a history to them.")
    events, common = 0, _parameters(wanted)
    for part, piece in enumerate(slices(wanted, found["begins"], found["ends"])):
        with conn.transaction():
            events += _write(conn, {**common, **piece.parameters(), "operator": OPERATORS[part % len(OPERATORS)]})
        yield Written(commands=piece.first + piece.count, events=events, until=piece.ends)


def tidy(conn: psycopg.Connection[Any], domain: str) -> None:
    """Vacuum and analyze what was written, as a database that has grown by itself would be."""
    conn.execute(_SQL.text("tidy", **_tables(domain)))


def slices(wanted: Wanted, begins: datetime, ends: datetime) -> list[Slice]:
    """What is final in pieces of equal length, a day or less each; then what waits."""
    waits = min(WAITING_FOR, (ends - begins) / 20) if wanted.waiting else timedelta(0)
    number = max(1, min(max(wanted.days, math.ceil(wanted.final / SLICE)), wanted.final))
    length = (ends - waits - begins) / number
    firsts = [wanted.final * part // number for part in range(number + 1)]
    found = [
        Slice(
            first=first,
            count=firsts[part + 1] - first,
            begins=begins + part * length,
            ends=begins + (part + 1) * length,
        )
        for part, first in enumerate(firsts[:-1])
    ]
    if wanted.waiting:
        found.append(Slice(first=wanted.final, count=wanted.waiting, begins=ends - waits, ends=ends))
    return found


def stride_of(number: int) -> int:
    """A number that has no divisor in common with this one, so that its multiples visit every place once."""
    stride = max(1, round(number * _GOLDEN))
    while math.gcd(stride, number) > 1:
        stride += 1
    return stride


def _write(conn: psycopg.Connection[Any], parameters: dict[str, Any]) -> int:
    """Write one slice in the transaction of its caller; how many events."""
    tables = _tables(parameters["domain"])
    cursor = ClientCursor(
        conn, row_factory=dict_row
    )  # a server cannot tell the types of parameters of these statements
    given = {**parameters, "table": f'pgmq."{tables["queue"]}"', "worker": uuid4()}
    given["rejected"] = given["count"] // REJECTED_PER + (given["first"] == 0)
    cursor.execute(_SQL.text("lock", **tables))
    drawn = cursor.execute(_SQL.text("settings"), given).fetchone()
    assert drawn is not None
    for name in ("story", "step", "made", "rejected", "move_on", "bulk", *_WRITTEN):
        cursor.execute(_SQL.text(name, **tables), {**given, "message": drawn["message"]})
    events = cursor.rowcount
    cursor.execute(_SQL.text("not_counted"))
    return events


def _tables(domain: str) -> dict[str, str]:
    commands = command_queue(domain)
    return {
        "queue": queue_table(commands),
        "archive": archive_table(commands),
        "reply_queue": queue_table(reply_queue(domain)),
    }


def _parameters(wanted: Wanted) -> dict[str, Any]:
    """What is the same in every slice."""
    return {
        "domain": wanted.domain,
        "commands": command_queue(wanted.domain),
        "replies": reply_queue(wanted.domain),
        "command_type": COMMAND_TYPE,
        "max_attempts": MAX_ATTEMPTS,
        "lease": timedelta(milliseconds=LEASE_MS),
        "final": wanted.final,
        "parked": wanted.parked,
        "failed": wanted.failed,
        "canceled": wanted.canceled,
        "waiting": WAITING,
        "seed": wanted.seed,
        "name": f"{uuid4()}/",
        "stride": stride_of(wanted.final),
        "bulk": BULK,
        "stories": json.dumps(_stories()),
        "steps": json.dumps(_steps()),
    }


def _stories() -> list[dict[str, Any]]:
    """The rows of table story; ``low`` and ``high``: its share of the numbers from 0 to 1 that its kind draws."""
    bounds: dict[int, tuple[float, float]] = {}
    for kind in {story.kind for story in STORIES}:
        places = [place for place, story in enumerate(STORIES) if story.kind == kind]
        sums = [0.0, *accumulate(STORIES[place].weight for place in places)]
        bounds |= {
            place: (low / sums[-1], high / sums[-1]) for place, low, high in zip(places, sums, sums[1:], strict=False)
        }
    return [
        {"story": place, "low": bounds[place][0], "high": bounds[place][1], **_row(story)}
        for place, story in enumerate(STORIES)
    ]


def _row(story: Story) -> dict[str, Any]:
    error, last, parked = story.error, story.last, story.parked
    return {
        "kind": story.kind,
        "status": story.status,
        "attempts": story.attempts,
        "begun": story.word.count("R"),
        "behavior": story.behavior_now.to_json(),
        "result": story.result,
        "error_type": error["type"],
        "error_code": error["code"],
        "error_msg": error["message"],
        "reply": story.reply,
        "hidden_ms": story.hidden_ms,
        "retried": "O" in story.word,
        "bulk": story.bulk,
        "reason": story.reason,
        "spec": {"behavior": story.retried_as.to_json()} if story.retried_as else {},
        "last_ms": last.delay_ms,
        "last_since": last.since,
        "last_operated": last.operated,
        "parked_ms": parked.delay_ms if parked else None,
        "parked_since": parked.since if parked else None,
    }


def _steps() -> list[dict[str, Any]]:
    return [
        {
            "story": number,
            "place": place,
            "event_type": step.event,
            "delay_ms": step.delay_ms,
            "since": step.since,
            "operated": step.operated,
            "details": dict(step.details),
        }
        for number, story in enumerate(STORIES)
        for place, step in enumerate(story.steps)
    ]
