"""The invariants of the bus, each a query that lists what breaks it (``invariants.sql``), on any domain at any time.

    one snapshot ─► tables of stories (temporary) ─► each rule, in a savepoint of its own ─► Rule

What a check reads is read in one transaction that is rolled back, so workers may go on meanwhile. It keeps its snapshot
for as long as it takes; nothing but the samples comes to the client.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from bench.invariants.rules import TABLES, Needs, Spec, specs, statement
from bench.report.document import MOST_SAMPLES, Rule, RuleWord, Sample
from bench.scenarios.model import Place
from commands.rules.words import LEASE_EXPIRED, LETTERS, command_queue, reply_queue
from e2e_site.texts import one_line
from settings_app.models import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from bench.oracle.facts import Facts

SLACK_S = 0.1  # between the clocks of a run's ledgers and the server's, and between a lease and its event
PATIENCE_S = 15.0  # a message that could have been taken for so long is late beside an idle worker
POLLS = 3
MOST_S = 300.0
_DETAIL = 500  # characters
_SESSION = """
    SELECT set_config('jit', 'off', TRUE), set_config('work_mem', '64MB', TRUE), set_config('lock_timeout', '5s', TRUE),
           set_config('max_parallel_workers_per_gather', '0', TRUE)
"""
_FOUND = f"""
    SELECT command_id, left(detail, {_DETAIL}) AS detail, count(*) OVER () AS violations
    FROM ({{}}) broken (command_id, detail) ORDER BY 1, 2 LIMIT {MOST_SAMPLES}
"""  # noqa: S608  # of numbers and the queries of our own file
_NO_LEDGER = "it compares with the ledgers of a run"
_NOT_ASKED = {
    Needs.LEDGER: _NO_LEDGER,
    Needs.ALONE: "it is for a run that has its database alone",
    Needs.STRICT: "leases may have run out or workers died: V04 is asked",
    Needs.TOLERANT: "no lease ran out and no worker died: V03 is asked, which says more",
}
_NOT_QUIET = "messages are in the queue still: it is decided when all have ended"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What rules compare with: the settings in force. ``run_id``: whose ledgers are there; None: there are none.

    ``quiet``: whether rules for a quiet bus are asked; None: the checker looks itself. ``strict``: no lease ran out and
    no worker died, so the strict word is asked. ``facts``: of a run. ``seconds``: the most that all may take.
    """

    domain: str
    lease_s: float
    base_delay_ms: int
    max_delay_ms: int
    backoff_multiplier: float
    heartbeat: bool
    poll_interval_s: float
    run_id: int | None = None
    quiet: bool | None = None
    strict: bool = False
    facts: Facts | None = None
    seconds: float = MOST_S

    @property
    def alone(self) -> bool:
        """Whether a run has the database for itself: nobody else sends, takes replies or changes settings."""
        return self.run_id is not None and (self.facts is None or self.facts.plan.scenario.place is not Place.SITE)

    def parameters(self) -> dict[str, Any]:
        return {
            "domain": self.domain,
            "queue": command_queue(self.domain),
            "replies": reply_queue(self.domain),
            "apart": sorted(self.facts.apart) if self.facts else [],
            "letters": json.dumps(LETTERS),
            "lease_expired": LEASE_EXPIRED,
            "run": self.run_id,
            "alone": self.alone,
            "strict": self.strict,
            "lease_s": float(self.lease_s),
            "slack_s": SLACK_S,
            "base_delay_ms": self.base_delay_ms,
            "max_delay_ms": self.max_delay_ms,
            "multiplier": float(self.backoff_multiplier),
            "patience_s": max(PATIENCE_S, POLLS * self.poll_interval_s),
            "silence_s": Worker.SILENCE.total_seconds(),
        }


def check(conn: psycopg.Connection[Any], limits: Limits) -> list[Rule]:
    """Every rule, in the order of the file. Never raises: what could not be decided is UNKNOWN, with why.

    In a transaction of its own, or within the caller's; it leaves nothing behind.
    """
    try:
        return _Check(conn, limits).rules()
    except Exception as exc:  # noqa: BLE001  # a checker that raised would take the verdict of all others along
        return [
            _rule(spec, limits, RuleWord.UNKNOWN, why=f"nothing could be read: {one_line(exc)}") for spec in specs()
        ]


def _rule(spec: Spec, limits: Limits, word: RuleWord, **more: Any) -> Rule:
    return Rule(
        id=spec.id, text=spec.text, when=spec.when, word=word, sql=spec.shown(limits.domain),
        deviations=list(spec.known), **more,
    )  # fmt: skip


@dataclass
class _Check:
    conn: psycopg.Connection[Any]
    limits: Limits
    counts: dict[str, int] = field(default_factory=dict)
    until: float = 0.0

    def __post_init__(self) -> None:
        self.until = time.monotonic() + self.limits.seconds
        self.parameters = self.limits.parameters()

    def rules(self) -> list[Rule]:
        empty_before = self._is_empty() if self._is_idle() else True
        with self._snapshot():
            for name in TABLES:
                self._execute(statement(name, self.limits.domain))
            self.counts = self._execute(statement("counts", self.limits.domain))[0]
            quiet = self.limits.quiet
            if quiet is None:  # two looks, one of them at the snapshot
                quiet = empty_before and self._is_empty()
            return [self._decided(spec, quiet=quiet) for spec in specs()]

    def _is_idle(self) -> bool:
        return self.conn.info.transaction_status == TransactionStatus.IDLE

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """All of it as it stands at one moment; in the caller's transaction as that sees it."""
        idle = self._is_idle()
        with self.conn.transaction(force_rollback=True):
            if idle:
                self.conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self.conn.execute(_SESSION)
            yield

    def _is_empty(self) -> bool:
        with self.conn.transaction():
            return self._execute(statement("depth", self.limits.domain)) == [{"n": 0}]

    def _execute(self, query: Any, more: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no time was left of {self.limits.seconds:g} s")
        self.conn.execute("SELECT set_config('statement_timeout', %s, TRUE)", [f"{max(1, int(left * 1000))}ms"])
        cursor = self.conn.cursor(row_factory=dict_row).execute(query, {**self.parameters, **(more or {})})
        return cursor.fetchall() if cursor.description else []

    def _decided(self, spec: Spec, *, quiet: bool) -> Rule:
        if not self._is_asked(spec.needs):
            needs = spec.needs if self.limits.run_id is not None or spec.needs is not Needs.ALONE else Needs.LEDGER
            return _rule(spec, self.limits, RuleWord.NOT_ASKED, why=_NOT_ASKED[needs])
        if spec.when == "Q" and not quiet:
            return _rule(spec, self.limits, RuleWord.UNKNOWN, why=_NOT_QUIET)
        try:
            with self.conn.transaction():
                return self._asked(spec)
        except Exception as exc:  # noqa: BLE001  # as above
            return _rule(spec, self.limits, RuleWord.UNKNOWN, why=f"it could not be asked: {one_line(exc)}")

    def _is_asked(self, needs: Needs) -> bool:
        return {
            Needs.NOTHING: True,
            Needs.LEDGER: self.limits.run_id is not None,
            Needs.ALONE: self.limits.alone,
            Needs.STRICT: self.limits.strict,
            Needs.TOLERANT: not self.limits.strict,
        }[needs]

    def _asked(self, spec: Spec) -> Rule:
        found = self._execute(_FOUND.format(spec.query(self.limits.domain)))
        words = self._words([row["command_id"] for row in found if row["command_id"] is not None])
        samples = [
            Sample(
                command_id=str(row["command_id"]) if row["command_id"] else None,
                detail=row["detail"] or "",
                word=words.get(row["command_id"], ""),
            )
            for row in found
        ]
        return _rule(
            spec, self.limits, RuleWord.BROKEN if found else RuleWord.HOLDS, checked=self.counts[spec.of],
            violations=found[0]["violations"] if found else 0, samples=samples,
        )  # fmt: skip

    def _words(self, ids: list[UUID]) -> dict[UUID, str]:
        if not ids:
            return {}
        rows = self._execute(statement("words", self.limits.domain), {"ids": ids})
        return {row["command_id"]: row["whole"] for row in rows}
