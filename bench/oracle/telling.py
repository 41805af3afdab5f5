"""What a judged run is told by: the matrix expected by actual, commands in full, executions in lanes."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.oracle.lanes import packed
from bench.report.document import (
    MOST_LANES,
    MOST_SAMPLES,
    MOST_STORIES,
    WORST,
    Cell,
    CommandVerdict,
    Event,
    Execution,
    Row,
    Story,
)
from commands.rules.words import DOMAIN
from e2e_site.named_sql import NamedSql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from bench.oracle.expected import Expectations
    from bench.oracle.facts import Facts

OF_EACH_CELL = 2  # commands told in full though all is well with them
BAD = (*WORST, CommandVerdict.ALLOWED)
_SQL = NamedSql(Path(__file__).with_name("stories.sql"))


class Telling:
    """Reads the tables that the judge has made (``judge_verdict``)."""

    def __init__(self, conn: psycopg.Connection[dict[str, Any]], facts: Facts, expectations: Expectations) -> None:
        self._conn = conn
        self._facts = facts
        self._expectations = expectations
        self._cells = self._rows("cells")

    # -- the matrix --------------------------------------------------------------------------------------------------

    def matrix(self) -> list[Row]:
        """One row for each behavior, in its order of the plan, then those that faults sent."""
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for cell in self._cells:
            rows[cell["behavior"]].append(cell)
        places = {kind.rpartition("/")[0]: place for place, kind in enumerate(self._facts.plan.kinds)}
        return [
            self._row(behavior, rows[behavior]) for behavior in sorted(rows, key=lambda b: places.get(b, len(places)))
        ]

    def _row(self, behavior: str, found: Sequence[dict[str, Any]]) -> Row:
        numbers = {cell["expect_id"] for cell in found} - {None}
        statuses, attempts = self._expectations.union(numbers)
        cells: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for cell in found:
            cells[cell["cell"]].append(cell)
        return Row(
            behavior=behavior,
            said=self._expectations.said(found[0]["kind"]),
            expected=[status.value for status in statuses],
            attempts=(attempts.least, attempts.most),
            sent=sum(cell["n"] for cell in found),
            cells=[self._cell(behavior, name, cells[name], name in statuses) for name in sorted(cells)],
        )

    def _cell(self, behavior: str, name: str, found: Sequence[dict[str, Any]], is_expected: bool) -> Cell:
        verdicts = _counted(found, "verdict")
        return Cell(
            status=name,
            count=sum(cell["n"] for cell in found),
            expected=is_expected,
            attempts=_counted(found, "attempts"),
            verdicts=verdicts,
            commands=[str(one) for one in self._of_cell(behavior, name, verdicts, MOST_SAMPLES)],
        )

    def _of_cell(self, behavior: str, name: str, verdicts: Iterable[str], most: int) -> list[UUID]:
        """Those that are not as they had to be first."""
        found: list[UUID] = []
        for verdict in sorted(verdicts, key=_badness):
            values = {"behavior": behavior, "cell": name, "verdict": verdict, "limit": most - len(found)}
            found += [row["command_id"] for row in self._rows("of_cell", **values)]
        return found

    # -- stories -----------------------------------------------------------------------------------------------------

    def stories(self) -> list[Story]:
        """All that are not as they had to be, the worst first, then some of each cell; `MOST_STORIES` at most."""
        chosen: dict[UUID, None] = {}
        for verdict in BAD:
            chosen |= dict.fromkeys(
                row["command_id"] for row in self._rows("of_verdict", verdict=verdict, limit=MOST_STORIES)
            )
        places = {(cell["behavior"], cell["cell"]): None for cell in self._cells}
        for behavior, name in places:
            chosen |= dict.fromkeys(self._of_cell(behavior, name, [CommandVerdict.MATCH], OF_EACH_CELL))
        ids = list(chosen)[:MOST_STORIES]
        known = {row["command_id"]: row for row in self._rows("told_stories", ids=ids)}
        executions = self._executions("told_executions", ids=ids)
        names = {(row["msg_id"], row["attempt"]): row["worker"] for row in chain.from_iterable(executions.values())}
        events: dict[UUID, list[Event]] = defaultdict(list)
        for row in self._rows("told_events", ids=ids):
            events[row["command_id"]].append(self._event(row, names))
        return [self._story(known[one], events[one], executions[one]) for one in ids]

    def _story(self, row: dict[str, Any], events: list[Event], executions: Iterable[dict[str, Any]]) -> Story:
        number = row["expect_id"]
        return Story(
            command_id=str(row["command_id"]),
            behavior=row["behavior"],
            verdict=CommandVerdict(row["verdict"]),
            why=row["why"],
            word=row["word"],
            expected="" if number is None else self._expectations.of[number].pattern,
            status=row["status"],
            events=events,
            executions=packed(map(self._execution, executions)),
            lease_s=self._facts.plan.scenario.lease_s,
        )

    def _event(self, row: dict[str, Any], names: dict[tuple[int, int], str]) -> Event:
        attempt, msg_id = _whole(row["attempt"]), _whole(row["msg_id"])
        worker = names.get((msg_id, attempt), "") if msg_id is not None and attempt is not None else ""
        return Event(
            at_s=self._at_s(row["ts"]), type=row["event_type"], attempt=attempt, worker=worker, code=row["code"][:100]
        )

    # -- lanes -------------------------------------------------------------------------------------------------------

    def lanes(self) -> list[Execution]:
        """The executions, or so many of them around the first fault."""
        began = [record.began_s for record in self._facts.faults if record.fired and record.began_s is not None]
        before = 0
        if began:
            moment = self._facts.began_at + timedelta(seconds=min(began))
            ((before,),) = (row.values() for row in self._rows("lanes_before", moment=moment))
        offset = max(0, before - MOST_LANES // 4)
        found = self._rows("lanes", offset=offset, limit=MOST_LANES)
        return packed(map(self._execution, found))

    def _executions(self, name: str, **values: Any) -> dict[UUID, list[dict[str, Any]]]:
        found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
        for row in self._rows(name, **values):
            found[row["command_id"]].append(row)
        return found

    def _execution(self, row: dict[str, Any]) -> Execution:
        return Execution(
            command_id=str(row["command_id"]),
            attempt=row["attempt"],
            worker=row["worker"],
            began_s=self._at_s(row["began_at"]),
            ended_s=None if row["ended_at"] is None else self._at_s(row["ended_at"]),
            outcome=row["outcome"],
        )

    def _at_s(self, moment: datetime) -> float:
        return round((moment - self._facts.began_at) / timedelta(seconds=1), 4)

    def _rows(self, name: str, **values: Any) -> list[dict[str, Any]]:
        known = {"run": self._facts.run_id, "domain": DOMAIN, **values}
        return self._conn.execute(_SQL.text(name), known).fetchall()


def _counted(found: Iterable[dict[str, Any]], name: str) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for cell in found:
        counts[str(cell[name])] += cell["n"]
    return dict(counts)


def _badness(verdict: str) -> int:
    return next((place for place, bad in enumerate(BAD) if bad == verdict), len(BAD))


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None
