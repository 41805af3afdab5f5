"""What had to become of each command of a run, as rows that statements can join: few, however many commands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from commands.rules.expectation import Bounds, Expectation, expectation, loosened
from commands.rules.rolled import rolled_expectation
from commands.rules.sentence import attempts_text, sentence
from commands.rules.words import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    import psycopg

    from bench.oracle.facts import Facts
    from commands.rules.courses import Circumstances
    from commands.rules.rolls import Rolls

CHUNK = 20_000  # commands whose rolls are computed at a time

_TABLES = """
CREATE TEMP TABLE judge_least (expect_id INTEGER PRIMARY KEY, least_ms DOUBLE PRECISION NOT NULL);
CREATE TEMP TABLE judge_kind (kind TEXT PRIMARY KEY, expect_id INTEGER NOT NULL);
CREATE TEMP TABLE judge_rolled (command_id UUID PRIMARY KEY, expect_id INTEGER NOT NULL)
"""
_NEXT = """
    SELECT command_id, kind FROM judge_told WHERE command_id > %(after)s ORDER BY command_id LIMIT %(limit)s
"""
_FIRST = "00000000-0000-0000-0000-000000000000"


@dataclass
class Expectations:
    """Those of one run, each once. ``of[n]`` is number n."""

    facts: Facts
    of: list[Expectation] = field(default_factory=list)
    _numbers: dict[Expectation, int] = field(default_factory=dict)

    def fill(self, conn: psycopg.Connection[dict[str, Any]]) -> None:
        """Make the tables and say in them what had to become of every command of ``judge_told``."""
        for statement in _TABLES.split(";"):
            conn.execute(statement)
        kinds = conn.execute("SELECT DISTINCT kind FROM judge_told").fetchall()
        rows = [(row["kind"], number) for row in kinds if (number := self.number_of(row["kind"])) is not None]
        with conn.cursor().copy("COPY judge_kind FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        if self.facts.plan.rolls is not None:
            self._fill_rolled(conn, self.facts.plan.rolls)
        conn.execute("ANALYZE judge_kind, judge_rolled")
        self.write_least(conn)

    def write_least(self, conn: psycopg.Connection[dict[str, Any]]) -> None:
        """The earliest end of each expectation, also of those that came since."""
        conn.execute("TRUNCATE judge_least")
        with conn.cursor().copy("COPY judge_least FROM STDIN") as copy:
            for number, expected in enumerate(self.of):
                copy.write_row((number, expected.ends_ms.least))
        conn.execute("ANALYZE judge_least")

    def number_of(self, kind: str, kills: int = 0) -> int | None:
        """That of a kind of commands of which so many attempts were lost; None where nothing says what it has to do."""
        if (circumstances := self._circumstances(kind, kills)) is not None:
            return self._number(expectation(circumstances))
        if (known := self.facts.expected.get(kind)) is None:
            return None
        return self._number(loosened(known, kills, self.facts.plan.scenario.bus.max_attempts))

    def number_of_rolled(self, command_id: UUID, kind: str, kills: int) -> int | None:
        """That of one command whose attempts roll; of a fault's command that of its kind."""
        circumstances, rolls = self._circumstances(kind, kills), self.facts.plan.rolls
        if circumstances is None or rolls is None:
            return self.number_of(kind, kills)
        return self._number(rolled_expectation(rolls, command_id, circumstances))

    def said(self, kind: str) -> str:
        """What has to become of a kind, in words."""
        circumstances = self._circumstances(kind, 0)
        if circumstances is not None:
            said = sentence(circumstances)
            return f"{said[0].upper()}{said[1:]}{_rolled(self.facts.plan.rolls)}."
        known = self.facts.expected.get(kind)
        if known is None:
            return "Nothing says what had to become of it."
        statuses = " or ".join(status.label for status in Status if status in known.statuses)
        return f"{statuses} with {attempts_text(known.attempts)}."

    def union(self, numbers: Iterable[int]) -> tuple[list[Status], Bounds]:
        """The statuses and attempts that any of these expect."""
        found = [self.of[number] for number in numbers]
        if not found:
            return [], Bounds(least=0, most=0)
        statuses = frozenset[Status]().union(*(expected.statuses for expected in found))
        bounds = Bounds.of(n for expected in found for n in (expected.attempts.least, expected.attempts.most))
        return [status for status in Status if status in statuses], bounds

    def _circumstances(self, kind: str, kills: int) -> Circumstances | None:
        plan = self.facts.plan
        if kind in self.facts.expected or kind not in plan.kinds:
            return None
        behavior, reply = plan.kinds[kind]
        return replace(plan.circumstances(behavior, reply=reply), kills=kills)

    def _number(self, expected: Expectation) -> int:
        if expected not in self._numbers:
            self._numbers[expected] = len(self.of)
            self.of.append(expected)
        return self._numbers[expected]

    def _fill_rolled(self, conn: psycopg.Connection[dict[str, Any]], rolls: Rolls) -> None:
        by_kind = {
            kind: circumstances
            for kind in self.facts.plan.kinds
            if (circumstances := self._circumstances(kind, 0)) is not None
        }
        for commands in _chunks(conn):
            with conn.cursor().copy("COPY judge_rolled FROM STDIN") as copy:
                for row in commands:
                    if row["kind"] in by_kind:
                        found = rolled_expectation(rolls, row["command_id"], by_kind[row["kind"]])
                        copy.write_row((row["command_id"], self._number(found)))


def _chunks(conn: psycopg.Connection[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    after: Any = _FIRST
    while rows := conn.execute(_NEXT, {"after": after, "limit": CHUNK}).fetchall():
        yield rows
        after = rows[-1]["command_id"]


def _rolled(rolls: Rolls | None) -> str:
    """ "; of its attempts 5 % fail for good …"."""
    if rolls is None:
        return ""
    chances = {
        "fail for good": rolls.permanent,
        "fail for a moment": rolls.transient,
        "fail by a rule": rolls.business_rule,
        "work long": rolls.timeout,
    }
    told = ", ".join(f"{chance:.2%} {does}" for does, chance in chances.items() if chance)
    return f", where no attempt rolls otherwise: {told}; each command has its own expectation"
