"""bench/runs/measure.py and what it stands on: figures of a small run written by hand, by SQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from bench.oracle.facts import Facts
from bench.oracle.judge import Judged
from bench.report.document import Accounting, FaultRecord, Latency, Point
from bench.runs.measure import Measured, costs, measured
from bench.scenarios.model import Scenario
from bench.scenarios.plan import Plan

RUN = 7
BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)
KIND = "success/reply"
Rows = psycopg.Connection[dict[str, Any]]


@pytest.fixture
def conn(committed: str) -> Iterator[Rows]:
    with psycopg.connect(committed, row_factory=dict_row) as opened:  # never committed
        yield opened
        opened.rollback()


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def tried(conn: Rows, due: float, *, late: float = 0.002, kind: str = KIND, outcome: str = "acknowledged") -> UUID:
    command_id = uuid4()
    conn.execute(
        """
        INSERT INTO bench_send (run_id, number, command_id, kind, intended_at, sent_at, answered_at, outcome)
        SELECT %(run)s, count(*), %(id)s, %(kind)s, %(due)s, %(sent)s, %(sent)s, %(outcome)s FROM bench_send
        """,
        {"run": RUN, "id": command_id, "kind": kind, "due": at(due), "sent": at(due + late), "outcome": outcome},
    )
    return command_id


def story(conn: Rows, command_id: UUID, *events: tuple[str, float]) -> None:
    for name, seconds in events:
        conn.execute(
            "INSERT INTO commandbus.audit (domain, command_id, event_type, ts) VALUES ('test', %s, %s, %s)",
            [command_id, name, at(seconds)],
        )


def execution(conn: Rows, command_id: UUID, worker: str, began: float, ended: float | None) -> None:
    conn.execute(
        """
        INSERT INTO bench_execution (run_id, command_id, msg_id, attempt, worker, pid, began_at, ended_at, outcome)
        VALUES (%s, %s, 1, 1, %s, 1, %s, %s, 'ok')
        """,
        [RUN, command_id, worker, at(began), None if ended is None else at(ended)],
    )


def done(conn: Rows, due: float, took: float, **more: Any) -> UUID:
    command_id = tried(conn, due, **more)
    story(conn, command_id, ("SENT", due), ("RECEIVED", due + took / 2), ("COMPLETED", due + took))
    return command_id


def facts(expect: dict[str, Any] | None = None, faults: tuple[FaultRecord, ...] = (), **more: Any) -> Facts:
    whole: dict[str, Any] = {
        "scenario": "made_up", "about": "Made up.", "mix": {"success": 1}, "expect": expect or {},
        "load": [{"phase": "first", "for": "2s", "rate": 100}, {"phase": "second", "for": "1s", "rate": 100}],
    }  # fmt: skip
    plan = Plan(Scenario.model_validate({**whole, **more}), 1)
    return Facts(run_id=RUN, plan=plan, began_at=BEGAN, quiet=True, faults=faults)


def looked_at(conn: Rows, of: Facts, depth: list[Point] | None = None) -> Measured:
    now = costs(conn)
    return measured(conn, of, depth or [], now, {**now, "wal": now["wal"] + 3000, "watch_s": 0.5, "watched_s": 50})


def latency(found: Measured, name: str) -> Latency:
    return next(one for one in found.latency if one.name == name)


def test_latencies_are_exact_and_count_from_the_moment_a_command_was_due(conn: Rows) -> None:
    for number in range(200):
        done(conn, number / 100, (number + 1) / 1000)
    found = looked_at(conn, facts())
    whole = latency(found, "end_to_end")
    assert (whole.n, whole.most) == (200, 200)
    assert (whole.p50, whole.p90) == (100.5, 180.1)  # as percentile_cont has them
    assert (whole.p99, whole.p999) == (None, None)  # two values lie beyond it
    assert latency(found, "pickup").p50 == 50.25
    assert latency(found, "service").p50 == 50.25
    assert latency(found, "send_delay").p50 == 2
    shares = [share for share, _ in whole.spectrum]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.9 < shares[-1] <= 0.95
    assert [cost.per_command for cost in found.costs if cost.name == "write-ahead log"] == [15]


def test_what_was_not_taken_or_is_not_of_the_plan_has_no_latency(conn: Rows) -> None:
    done(conn, 0, 0.01)
    done(conn, 0, 9, kind="crash_at/received/0")  # a fault's own
    tried(conn, 0, outcome="error")
    tried(conn, 0, outcome="unknown")
    story(conn, tried(conn, 0, outcome="unknown"), ("SENT", 0), ("RECEIVED", 0.01), ("COMPLETED", 0.03))  # recovered
    found = looked_at(conn, facts())
    assert (latency(found, "end_to_end").n, latency(found, "end_to_end").most) == (2, 30)
    assert latency(found, "send_delay").n == 4


def test_each_second_has_its_counts_and_its_depth(conn: Rows) -> None:
    done(conn, 0.1, 0.2)
    retried = tried(conn, 0.5)
    story(conn, retried, ("SENT", 0.5), ("RECEIVED", 0.6), ("FAILED", 0.7), ("RECEIVED", 2.1), ("COMPLETED", 2.2))
    depth = [Point(at_s=0.9, visible=4, leased=3, oldest_s=0.3), Point(at_s=1.9, visible=1, leased=1, oldest_s=0.1)]
    points = looked_at(conn, facts(), depth).points
    assert [point.at_s for point in points] == [1, 2, 3]
    assert [(point.offered, point.sent, point.received, point.ended) for point in points] == [
        (101, 2, 2, 1),
        (201, 2, 2, 1),
        (300, 2, 2, 2),
    ]
    # One of those that no worker may take now waits for its retry until it is received again.
    assert [(point.visible, point.leased, point.delayed) for point in points] == [(4, 2, 1), (1, 0, 1), (1, 1, 0)]


def test_p99_of_a_phase_counts_what_never_ended_as_late(conn: Rows) -> None:
    for number in range(100):
        done(conn, number / 100, 0.01)
    for _ in range(12):
        story(conn, tried(conn, 2.5), ("SENT", 2.5))
    for during, held in (("first", True), ("second", False), ("", False)):
        of = facts({"p99": "100ms", "during": during})
        found = looked_at(conn, of)
        criterion = found.expectations(of.plan.scenario, NOTHING_LOST)[-1]
        assert criterion.held is held, criterion


def record(began: float, ended: float, *, fired: bool = True) -> FaultRecord:
    return FaultRecord(do="kill_worker", id="F1", text="", planned_s=began, began_s=began, ended_s=ended, fired=fired)


NUMBERS: dict[str, Any] = dict.fromkeys(Accounting.model_fields.keys() - {"samples"}, 0)
NOTHING_LOST = Judged(accounting=Accounting(**NUMBERS), verdicts={})


def test_it_resumes_with_the_first_end_of_what_began_after_the_last_fault(conn: Rows) -> None:
    first = done(conn, 0, 0.5)
    execution(conn, first, "w1.1", 0.9, 1.1)  # began before the fault was over
    execution(conn, first, "w1.2", 1.4, None)
    execution(conn, first, "w2.1", 1.5, 1.75)
    of = facts({"resumes_within": "1s"}, (record(0.5, 1.0), record(2, 3, fired=False)))
    found = looked_at(conn, of)
    assert found.happened.resumed_s == 0.75
    assert found.happened.workers == 2
    assert (found.happened.fired, found.happened.faults) == (1, 2)


def test_delivered_again_is_told_from_retried(conn: Rows) -> None:
    story(conn, tried(conn, 0), ("RECEIVED", 0.1), ("FAILED", 0.2), ("RECEIVED", 0.3), ("COMPLETED", 0.4))
    story(conn, tried(conn, 0), ("RECEIVED", 0.1), ("RECEIVED", 0.3), ("LATE_FAILED", 0.35), ("COMPLETED", 0.4))
    done(conn, 0, 0.1)
    happened = looked_at(conn, facts()).happened
    assert (happened.retried, happened.redelivered) == (2, 1)
    assert happened.behaviors == {"success"}


@pytest.mark.parametrize(
    ("late", "faults", "expect", "unknown"),
    [
        (0.2, (), {"p99": "100ms"}, True),
        (0.2, (), {}, False),  # nothing is asked of the figures
        (0.04, (), {"p99": "100ms"}, False),
        (0.2, (record(0, 1),), {"p99": "100ms"}, False),  # the server was away
    ],
)
def test_a_sender_that_was_late_by_itself_makes_a_latency_unknown(
    conn: Rows, late: float, faults: tuple[FaultRecord, ...], expect: dict[str, Any], unknown: bool
) -> None:
    for number in range(20):
        done(conn, number / 20, 0.3, late=late)
    found = looked_at(conn, facts(expect, faults))
    assert bool(found.unknowns) is unknown
    if unknown:
        assert found.unknowns == ["the sender was 200 ms late (p99, 50 ms allowed): the load was not offered as asked"]


def test_a_run_without_a_command_is_measured_too(conn: Rows) -> None:
    found = looked_at(conn, facts({"p99": "1s", "resumes_within": "1s"}))
    assert [one.n for one in found.latency] == [0, 0, 0, 0]
    assert found.points[-1].ended == 0
    assert all(cost.per_command is None for cost in found.costs)


def test_versions_and_surroundings_are_told(conn: Rows) -> None:
    found = looked_at(conn, facts())
    assert {"site", "reliable-cmd", "PGMQ", "PostgreSQL", "Python"} <= found.versions.keys()
    assert all(found.versions.values())
    about = found.environment
    assert {"durability", "processors", "memory_gb", "load_before", "load_after", "noisy", "settings"} <= about.keys()
    assert about["durability"]["fsync"] in ("on", "off")
    assert about["watching_percent"] == 1.0
    assert about["settings"]["max_connections"]


def test_what_a_crash_let_the_server_forget_is_no_cost(conn: Rows) -> None:
    now = costs(conn)
    found = measured(conn, facts(), [], {**now, "transactions": now["transactions"] + 1e9}, now)
    assert [cost.value for cost in found.costs if cost.name == "transactions"] == [None]
