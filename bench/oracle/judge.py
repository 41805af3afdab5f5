"""Every command of a run against what had to become of it, set-based, from the ledgers: the verdict on each.

    ledgers, audit, replies ─► one row a command ─► few groups ─► a verdict on each group ─► accounting, matrix, stories

Where a command came to something else, and a fault that fired may have ended or held up its attempts, as many attempts
as were lost so widen what is expected of it (regime C): what is within that is ALLOWED.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.oracle.as_built import TITLES, Seen, known_deviation
from bench.oracle.expected import CHUNK, Expectations
from bench.oracle.telling import Telling
from bench.report.document import MOST_SAMPLES, Accounting, CommandVerdict, Deviation, Execution, Row, Story
from bench.scenarios.model import Oracle, Place
from commands.rules.differences import TOLERANCE_MS, Came, differences
from commands.rules.words import DOMAIN, LETTERS, Status, archive_table, queue_table, reply_queue
from e2e_site.named_sql import NamedSql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    import psycopg

    from bench.oracle.facts import Facts

GRACE_S = 5  # beside a lease: so long after a fault is over its traces may still come
A_DAY_S = 86_400  # a fault that has no end lasts as long as the run
NOTHING_SAID = "Nothing says what had to become of it."
_SQL = NamedSql(Path(__file__).with_name("stories.sql"))
_TABLES = (
    "told",
    "word",
    "reply",
    "done",
    "story",
    "group",
    "fault",
    "suspect",
    "attempt",
    "loss",
    "wider_kind",
    "wider_rolled",
    "wider",
    "allowed",
    "verdict",
    "least",
    "kind",
    "rolled",
)
_SAMPLES = f"SELECT command_id FROM judge_verdict WHERE {{}} LIMIT {MOST_SAMPLES}"  # noqa: S608  # conditions are those below
_NUMBERS = {
    "errors": "told = 'error'",
    "unknown": "told = 'unknown'",
    "duplicates_refused": "refused",
    "recovered": "told = 'unknown' AND status IS NOT NULL",
    "completed": "told = 'acknowledged' AND status = 'COMPLETED'",
    "failed": "told = 'acknowledged' AND status = 'FAILED'",
    "parked": "told = 'acknowledged' AND status = 'IN_TROUBLESHOOTING_QUEUE'",
    "canceled": "told = 'acknowledged' AND status = 'CANCELED'",
    "stuck": "told = 'acknowledged' AND status IN ('PENDING', 'IN_PROGRESS')",
    "lost": "told = 'acknowledged' AND status IS NULL",
    "unexpected": "told = 'error' AND status IS NOT NULL",
    "duplicate_deliveries": "word LIKE '%%RR%%'",
    "duplicate_effects": "effects > 1",
    "duplicate_replies": "replies LIKE '%%,%%'",
    "acknowledged": "told = 'acknowledged'",
    "attempted": "TRUE",
}


@dataclass(kw_only=True)
class Judged:
    """``verdicts``: how many commands have each, by `CommandVerdict`."""

    accounting: Accounting
    verdicts: dict[str, int]
    matrix: list[Row] = field(default_factory=list)
    stories: list[Story] = field(default_factory=list)
    lanes: list[Execution] = field(default_factory=list)
    deviations: list[Deviation] = field(default_factory=list)


def judge(conn: psycopg.Connection[dict[str, Any]], facts: Facts) -> Judged:
    """Rows of ``conn`` are dictionaries, and it commits by itself; the ledgers are loaded.

    It works in temporary tables, which are gone afterwards; Python holds what differs, never a row for each command.
    """
    with _tables(conn):
        return _Judge(conn, facts).judged()


@contextmanager
def _tables(conn: psycopg.Connection[dict[str, Any]]) -> Iterator[None]:
    names = ", ".join(f"pg_temp.judge_{name}" for name in _TABLES)
    conn.execute("SET work_mem = '32MB'")
    try:
        yield
    finally:
        if not conn.broken:
            conn.execute(f"DROP TABLE IF EXISTS {names}".encode())
            conn.execute("RESET work_mem")


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """The verdict on all commands of a group, and why."""

    verdict: str
    why: str
    deviation: str | None = None


class _Judge:
    def __init__(self, conn: psycopg.Connection[dict[str, Any]], facts: Facts) -> None:
        self._conn = conn
        self._facts = facts
        self._expectations = Expectations(facts)
        self._values = {
            "run": facts.run_id,
            "domain": DOMAIN,
            "apart": list(facts.apart),
            "letters": json.dumps(LETTERS),
            "tolerance": TOLERANCE_MS,
            "limit": MOST_SAMPLES,
        }
        self._has_all_replies = facts.plan.scenario.place is not Place.SITE

    def judged(self) -> Judged:
        self._tell_stories()
        self._judge_groups()
        self._run("allowed_table")
        if faults := list(self._faults()):
            self._allow(faults)
        else:
            self._run("no_wider")
        self._run("verdicts")
        telling = Telling(self._conn, self._facts, self._expectations)
        return Judged(
            accounting=self._accounting(),
            verdicts={row["verdict"]: row["n"] for row in self._rows("verdict_counts")},
            matrix=telling.matrix(),
            stories=telling.stories(),
            lanes=telling.lanes(),
            deviations=[
                Deviation(
                    id=row["deviation"],
                    text=TITLES[row["deviation"]],
                    word="present",
                    commands=[str(command_id) for command_id in row["commands"]],
                )
                for row in self._rows("deviations")
            ],
        )

    # -- what became of each -----------------------------------------------------------------------------------------

    def _tell_stories(self) -> None:
        self._run("told")
        self._run("told_key")
        self._conn.execute("ANALYZE judge_told")
        self._expectations.fill(self._conn)
        self._run("words")
        queue = reply_queue(DOMAIN)
        self._run("replies", replies=queue_table(queue), taken=archive_table(queue))
        self._run("executions")
        self._conn.execute("ANALYZE judge_word, judge_reply, judge_done")
        self._run("stories")
        self._conn.execute("ANALYZE judge_story")

    def _judge_groups(self) -> None:
        self._run("group_table")
        found = ((row["sig"], self._found(row)) for row in self._rows("groups"))
        rows = [(sig, one.verdict, one.why, one.deviation) for sig, one in found]
        self._copy("judge_group", rows)

    def _found(self, row: dict[str, Any]) -> _Finding:
        """Of a group: the verdict where no attempt was lost."""
        if row["status"] is None:
            return _absent(row["told"])
        if row["told"] == "error":
            return _Finding(
                verdict=CommandVerdict.MISMATCH, why="The sender was told that it is not taken, and it is there."
            )
        if row["expect_id"] is None:
            return _Finding(verdict=CommandVerdict.MISMATCH, why=NOTHING_SAID)
        status = Status(row["status"])
        if not status.is_final:
            return _Finding(verdict=CommandVerdict.STUCK, why=f"It is {status.label} though the run is over.")
        broken = next(self._differences(row), "")
        if not broken:
            return _Finding(verdict=CommandVerdict.MATCH, why="It ended as it had to.")
        deviation = self._deviation(row)
        verdict = CommandVerdict.KNOWN if deviation else CommandVerdict.MISMATCH
        return _Finding(verdict=verdict, why=broken, deviation=deviation)

    def _differences(self, row: dict[str, Any]) -> Iterator[str]:
        came = Came(
            status=Status(row["status"]),
            word=row["word"],
            replies=row["replies"].split(",") if row["replies"] else (),
            took_ms=row["took_ms"],
        )
        expected = self._expectations.of[row["expect_id"]]
        return differences(expected, came, all_replies=self._has_all_replies)

    def _deviation(self, row: dict[str, Any]) -> str | None:
        """What the engine is known to do otherwise, where the run is judged as it is built."""
        if self._facts.oracle is not Oracle.AS_BUILT:
            return None
        return known_deviation(
            Seen(
                word=row["word"],
                status=row["status"],
                attempts=row["attempts"],
                max_attempts=row["max_attempts"],
                expected=self._expectations.of[row["expect_id"]].pattern,
                executions=row["executions"],
                replies=len(row["replies"].split(",")) if row["replies"] else 0,
                behavior=row["kind"].partition("/")[0],
            )
        )

    # -- what faults explain -----------------------------------------------------------------------------------------

    def _faults(self) -> Iterator[tuple[str, datetime, datetime]]:
        """Those that fired and may have kept attempts from ending in time: name, beginning, and when all is over."""
        if not (self._facts.loses_attempts or self._facts.overruns):
            return
        scenario = self._facts.plan.scenario
        names = {fault.do for fault in scenario.faults if fault.loses_attempts or fault.overruns}
        grace = timedelta(seconds=scenario.lease_s + GRACE_S)
        for record in self._facts.faults:
            if record.fired and record.do in names and record.began_s is not None:
                ended_s = record.began_s + A_DAY_S if record.ended_s is None else record.ended_s
                yield record.do, self._moment(record.began_s), self._moment(ended_s) + grace

    def _moment(self, at_s: float) -> datetime:
        return self._facts.began_at + timedelta(seconds=at_s)

    def _allow(self, faults: list[tuple[str, datetime, datetime]]) -> None:
        self._run("faults")
        self._copy("judge_fault", faults)
        for name in ("suspects", "attempts", "losses", "wider_kind_table", "wider_rolled_table"):
            self._run(name)
        self._conn.execute("ANALYZE judge_suspect, judge_loss")
        self._widen()
        self._run("wider")
        found = ((row["sig"], self._allowed(row)) for row in self._rows("wider_groups"))
        self._copy("judge_allowed", [(sig, why) for sig, why in found if why])

    def _widen(self) -> None:
        """Say what is expected of the suspects with so many attempts lost."""
        if self._facts.plan.rolls is None:
            found = (
                (row["kind"], row["kills"], self._expectations.number_of(row["kind"], row["kills"]))
                for row in self._rows("losses_by_kind")
            )
            self._copy("judge_wider_kind", [row for row in found if row[2] is not None])
        else:
            self._widen_rolled()
        self._expectations.write_least(self._conn)

    def _widen_rolled(self) -> None:
        after: Any = "00000000-0000-0000-0000-000000000000"
        while rows := self._rows("losses_of_rolled", after=after, limit=CHUNK):
            found = (
                (
                    row["command_id"],
                    self._expectations.number_of_rolled(row["command_id"], row["kind"], row["kills"]),
                )
                for row in rows
            )
            self._copy("judge_wider_rolled", [row for row in found if row[1] is not None])
            after = rows[-1]["command_id"]

    def _allowed(self, row: dict[str, Any]) -> str:
        """Why a group is allowed; empty where it is not."""
        if not Status(row["status"]).is_final or any(self._differences(row)):
            return ""
        lost = "1 attempt" if row["kills"] == 1 else f"{row['kills']} attempts"
        return f"{row['fault']} kept {lost} from ending in time. With that, it ended as it may."

    # -- what it comes to --------------------------------------------------------------------------------------------

    def _accounting(self) -> Accounting:
        (row,) = self._rows("account")
        untold = row.pop("untold")
        unsent = self._rows("unsent") if self._has_all_replies else []
        samples = {
            number: self._ids(_SAMPLES.format(condition))
            for number, condition in _NUMBERS.items()
            if row.get(number) or (number == "unexpected" and untold)
        }
        if unsent:
            known = samples.get("unexpected", [])
            samples["unexpected"] = [*known, *(str(one["command_id"]) for one in unsent)][:MOST_SAMPLES]
        return Accounting(**row, unexpected=untold + (unsent[0]["n"] if unsent else 0), samples=samples)

    def _ids(self, query: str) -> list[str]:
        return [str(row["command_id"]) for row in self._conn.execute(query.encode(), {}).fetchall()]

    def _run(self, name: str, **identifiers: str) -> None:
        self._conn.execute(_SQL.text(name, **identifiers), self._values)

    def _rows(self, name: str, **more: Any) -> list[dict[str, Any]]:
        return self._conn.execute(_SQL.text(name), {**self._values, **more}).fetchall()

    def _copy(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._conn.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)


def _absent(told: str) -> _Finding:
    match told:
        case "acknowledged":
            return _Finding(verdict=CommandVerdict.LOST, why="It was acknowledged, and is not there.")
        case "unknown":
            return _Finding(verdict=CommandVerdict.UNKNOWN, why="The sender heard nothing, and it is not there.")
        case _:
            return _Finding(verdict="", why="It was not taken.")
