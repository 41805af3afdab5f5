"""One run from beginning to end.

Scenario, seed ─► plan ─► place ─► workers ─► send, faults, watch ─► drain ─► ledgers ─► judge, check ─► document
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Protocol

import psycopg
from psycopg.rows import dict_row

from bench.errors import BenchError
from bench.faults import catalogue
from bench.faults.bench import Bench
from bench.faults.inject import Injections
from bench.faults.proxy import proxy_before
from bench.fleet import Fleet, FleetWorker
from bench.invariants.check import Limits, check
from bench.ledgers.load import load_ledgers, server_ahead
from bench.ledgers.sends import SendLedger
from bench.oracle.facts import Facts
from bench.oracle.judge import judge
from bench.report.document import Document, Head
from bench.runs import measure
from bench.runs.depth import Depth
from bench.runs.places import place
from bench.runs.sender import Sender
from bench.runs.verdict import Seen, decide
from bench.scenarios.plan import Plan
from bench.witness import Orders
from commands.rules.words import DOMAIN
from e2e_site.options import Exit
from e2e_site.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.runs.places import At
    from bench.runs.verdict import Decided
    from bench.scenarios.model import Scenario

LOOK_S = 0.1
QUIET_LOOKS = 2  # one after the other, each of them empty
FAULTS_END_WITHIN_S = 120  # after the load
FAULTS_STOP_WITHIN_S = 5  # once they are told to
SERVER_BACK_WITHIN_S = 60


class CanceledError(BenchError):
    """It was asked to stop, ``by`` whom: nothing of it is left, and it came to no verdict."""

    exit_code = Exit.INTERRUPTED

    def __init__(self, text: str = "It was canceled.", *, by: str = "") -> None:
        super().__init__(text)
        self.by = by


class Shown(Protocol):
    """Who hears how a run goes on: its row, a terminal, a test."""

    def phase(self, text: str) -> None: ...

    def progress(self, done: int, total: int) -> None: ...

    def is_canceled(self) -> bool: ...


@dataclass
class Unheard:
    """Nobody listens."""

    def phase(self, text: str) -> None: ...

    def progress(self, done: int, total: int) -> None: ...

    def is_canceled(self) -> bool:
        return False


def conduct(
    scenario: Scenario, seed: int | None = None, *, shown: Shown | None = None, run_id: int = 1, command: str = ""
) -> Document:
    """Run it; the document. ``command``: the command line that makes it again, where the scenario's name does not.

    Raises CanceledError within two seconds after it was asked to stop, and BenchError where it cannot work at all.
    Nothing is left running however it ends.
    """
    plan = Plan(scenario, scenario.seed if seed is None else seed)
    again = command or f"manage.py bench run {scenario.scenario} --seed {plan.seed}"
    return _Run(plan, shown or Unheard(), run_id, again).whole()


@dataclass
class _Run:
    plan: Plan
    shown: Shown
    run_id: int
    command: str
    unknowns: list[str] = field(default_factory=list)

    def whole(self) -> Document:
        started = datetime.now(UTC)
        with ExitStack() as until_the_end:
            self.shown.phase("making a database")
            at = until_the_end.enter_context(place(self.plan.scenario))
            self._refuse_if_canceled()
            ledger = until_the_end.enter_context(SendLedger(at.folder))
            proxy, sender_proxy = (
                until_the_end.enter_context(proxy_before(at.database.url)) if wanted else None
                for wanted in self._proxies()
            )
            fleet = Fleet(list(self._workers(at, proxy.url if proxy else "")))
            until_the_end.callback(fleet.end)
            with psycopg.connect(**at.database.params, autocommit=True) as conn:  # not for long: the server may go away
                self.shown.phase("starting workers")
                fleet.start(conn, self.shown.is_canceled)
                self._refuse_if_canceled()
                before = measure.costs(conn)
            bench = Bench(
                plan=self.plan, database=at.database, cluster=at.cluster, proxy=proxy, fleet=fleet, ledger=ledger,
                folder=at.folder, stop=Event(), sender_proxy=sender_proxy,
            )  # fmt: skip
            return self._measured(bench, started, before)

    def _proxies(self) -> tuple[bool, bool]:
        """Whether a network that can be spoiled is before the server: for workers, for the sender."""
        scenario = self.plan.scenario
        return (
            any(workers.through == "proxy" for workers in scenario.workers),
            any(fault.needs_sender_proxy for fault in scenario.faults),
        )

    def _workers(self, at: At, proxied: str) -> Iterator[FleetWorker]:
        rolls = self.plan.rolls
        number = 0
        for asked in self.plan.scenario.workers:
            of = catalogue.with_handlers(self.plan, asked)
            for _ in range(of.count):
                number += 1
                environment = at.database.environment()
                if of.through == "proxy":
                    environment["DATABASE_URL"] = proxied
                orders = Orders(
                    folder=str(at.folder), worker="", rolls=vars(rolls) if rolls else None,
                    crashes=tuple(catalogue.crash_orders(self.plan, at.folder)),
                )  # fmt: skip
                yield FleetWorker(name=f"w{number}", of=of, environment=environment, orders=orders)

    def _measured(self, bench: Bench, started: datetime, before: dict[str, float]) -> Document:
        began_at = datetime.now(UTC)
        bench.began = time.monotonic()
        params = bench.database.params
        through = bench.sender_proxy.through(params) if bench.sender_proxy else params
        sender, depth = Sender(through, self.plan, bench.ledger), Depth(params)
        injections = Injections(bench)
        depth.start()
        sender.start()
        injections.start()
        bench.sender = sender
        try:
            self._watch(bench, sender, injections)
            quiet = self._drained(bench, depth)
        finally:
            bench.stop.set()
            self._stop(bench, sender, injections, depth)
        self._refuse_if_canceled()
        return self._document(bench, injections, depth, started, began_at, quiet=quiet, before=before)

    def _stop(self, bench: Bench, sender: Sender, injections: Injections, depth: Depth) -> None:
        """Everything, in order. What a canceled run has in flight is not waited for: its database goes anyway."""
        self.shown.phase("stopping workers")
        if self.shown.is_canceled():
            bench.fleet.end()
        sender.stop()
        injections.wait(FAULTS_STOP_WITHIN_S)
        depth.stop()
        self.unknowns += [f"unasked, {death}" for death in bench.fleet.deaths()]
        if self.shown.is_canceled():
            bench.fleet.end()
        else:
            bench.fleet.stop()
        injections.release()

    def _refuse_if_canceled(self) -> None:
        if self.shown.is_canceled():
            raise CanceledError

    def _watch(self, bench: Bench, sender: Sender, injections: Injections) -> None:
        """Until all is sent and every fault is over."""
        self.shown.phase("sending")
        most = time.monotonic() + self.plan.scenario.lasts_s + FAULTS_END_WITHIN_S
        while not (sender.is_done and injections.are_over):
            self._look(bench)
            if time.monotonic() > most:
                self.unknowns.append("a fault did not end in time")
                return
        if sender.error is not None:
            self.unknowns.append(f"sending broke off: {sender.error}")

    def _drained(self, bench: Bench, depth: Depth) -> bool:
        """Whether the queue became empty, and stayed so, in time."""
        self.shown.phase("draining")
        deadline = time.monotonic() + self.plan.scenario.seconds(self.plan.scenario.drains_within)
        looks = 0
        while looks < QUIET_LOOKS:
            looks = looks + 1 if depth.is_empty() else 0
            self._look(bench)
            if time.monotonic() > deadline:
                self.unknowns.append("it never became quiet")
                return False
        return True

    def _look(self, bench: Bench) -> None:
        """Say how it stands; start again what a program point has ended. Raises CanceledError."""
        self._refuse_if_canceled()
        bench.stop.wait(LOOK_S)
        catalogue.keep_up(bench)
        self.shown.progress(bench.ledger.acknowledged, self.plan.count)

    def _document(
        self, bench: Bench, injections: Injections, depth: Depth, started: datetime, began_at: datetime, *, quiet: bool,
        before: dict[str, float],
    ) -> Document:  # fmt: skip
        self.shown.phase("checking")
        scenario = self.plan.scenario
        _wait_for_server(bench)
        with psycopg.connect(**bench.database.params, autocommit=True, row_factory=dict_row) as conn:
            after = {**measure.costs(conn), "watch_s": depth.spent_s, "watched_s": depth.lasted_s}
            load_ledgers(conn, bench.folder, self.run_id)
            injections.judge()
            fired = [fault for fault, record in zip(scenario.faults, injections.records, strict=True) if record.fired]
            facts = Facts(
                run_id=self.run_id, plan=self.plan, began_at=began_at + server_ahead(conn), quiet=quiet,
                expected=bench.expected, apart=frozenset(bench.apart), faults=tuple(injections.records),
                loses_attempts=any(fault.may_lose_attempts for fault in fired),
                overruns=any(fault.may_overrun for fault in fired),
            )  # fmt: skip
            judged, rules = judge(conn, facts), check(conn, self._limits(facts))
            measured = measure.measured(conn, facts, depth.points, before, after)
        seen = Seen(
            accounting=judged.accounting,
            verdicts=judged.verdicts,
            rules=rules,
            faults=injections.records,
            expectations=measured.expectations(scenario, judged),
            sometimes=measured.sometimes(scenario, judged),
            known=frozenset(scenario.expect.known),
            unknowns=[*self.unknowns, *measured.unknowns],
        )
        return Document(
            head=self._head(decide(seen), started), scenario=scenario.model_dump(mode="json", by_alias=True),
            fleet=bench.fleet.endings(), accounting=judged.accounting, verdicts=judged.verdicts, matrix=judged.matrix,
            rules=rules, expectations=seen.expectations, sometimes=seen.sometimes, faults=injections.records,
            phases=self.plan.phases, points=measured.points, latency=measured.latency,
            lanes=judged.lanes, stories=judged.stories, costs=measured.costs, deviations=judged.deviations,
            versions=measured.versions, environment=measured.environment,
        )  # fmt: skip

    def _head(self, decided: Decided, started: datetime) -> Head:
        scenario, ended = self.plan.scenario, datetime.now(UTC)
        return Head(
            run=self.run_id, scenario=scenario.scenario, about=scenario.about, seed=self.plan.seed,
            engines=sorted({workers.engine.value for workers in scenario.workers}), verdict=decided.verdict,
            expected_verdict=scenario.expect.verdict, why=decided.why, unknowns=decided.unknowns,
            started_at=started.isoformat(), ended_at=ended.isoformat(),
            seconds=round((ended - started) / timedelta(seconds=1), 1), command=self.command,
        )  # fmt: skip

    def _limits(self, facts: Facts) -> Limits:
        bus = self.plan.scenario.bus
        return Limits(
            domain=DOMAIN, lease_s=bus.visibility_timeout, base_delay_ms=bus.base_delay_ms,
            max_delay_ms=bus.max_delay_ms, backoff_multiplier=bus.backoff_multiplier, heartbeat=bus.heartbeat,
            poll_interval_s=bus.poll_interval, run_id=facts.run_id, quiet=facts.quiet,
            strict=not (facts.loses_attempts or facts.overruns or self.plan.overruns), facts=facts,
        )  # fmt: skip


def _wait_for_server(bench: Bench) -> None:
    """After faults it may still recover. Raises BenchError where it does not come back."""
    deadline = time.monotonic() + SERVER_BACK_WITHIN_S
    while True:
        try:
            psycopg.connect(**{**bench.database.params, "connect_timeout": 5}).close()
        except psycopg.Error as exc:
            if time.monotonic() > deadline:
                raise BenchError(f"the server of the run did not come back: {one_line(exc)}") from exc
            time.sleep(LOOK_S)
        else:
            return
