"""bench/faults/{senders,judging}.py: what criteria say of a bus that keeps its promises, and of one that does not."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from bench.faults.bench import Bench, Recorder
from bench.faults.inject import record_of
from bench.faults.judging import resumed
from bench.faults.senders import (
    duplicate_messages,
    duplicate_sends,
    judge_duplicate_messages,
    judge_duplicate_sends,
    judge_sender_clock,
)
from bench.fleet import Fleet
from bench.ledgers.executions import ExecutionLedger
from bench.ledgers.load import load_ledgers
from bench.ledgers.sends import SendLedger
from bench.report.document import Criterion
from bench.scenarios.faults import AnyFault, DuplicateMessages, DuplicateSends, SenderClock
from bench.scenarios.model import Scenario
from bench.scenarios.plan import Plan
from e2e_site.schema.own_database import given_database
from tests.support.bus import HandBus


@pytest.fixture
def bench(bus: HandBus, tmp_path: Path) -> Iterator[Bench]:
    """A run on the test database, without workers: the test does their work by hand."""
    given: dict[str, Any] = {"scenario": "one", "about": "By hand.", "commands": 1, "mix": {"success": 1}}
    with SendLedger(tmp_path) as ledger:
        yield Bench(
            plan=Plan(Scenario.model_validate(given), 1), database=given_database(bus.url, "bench"), cluster=None,
            proxy=None, fleet=Fleet([]), ledger=ledger, folder=tmp_path, stop=Event(),
        )  # fmt: skip
        bus.conn.execute("TRUNCATE bench_send, bench_execution")


def recorder(fault: AnyFault, bench: Bench) -> Recorder:
    return Recorder(record_of(fault, 0), bench)


def worked_off(bus: HandBus, bench: Bench) -> None:
    """Receive and complete all there is, as a worker does, with its ledger; then load both ledgers."""
    worker = ExecutionLedger(bench.folder, "w1.1")
    while commands := bus.receive(1000)["commands"]:
        for command_id, attempt in commands.items():
            worker.end(worker.begin(command_id, attempt["msg_id"], attempt["attempt"]), "ok")
            one = {"command_id": command_id, "msg_id": attempt["msg_id"], "attempt": attempt["attempt"]}
            bus.finish({**one, "kind": "success", "result": {}})
    load_ledgers(bus.conn, bench.folder, 1)


def held(told: Recorder) -> list[bool | None]:
    return [criterion.held for criterion in told.record.criteria]


def test_a_command_that_many_send_at_once(bus: HandBus, bench: Bench) -> None:
    fault = DuplicateSends.model_validate({"do": "duplicate_sends", "commands": 3, "senders": 4})
    told = recorder(fault, bench)
    duplicate_sends(fault, bench, told)
    assert told.record.criteria == [
        Criterion(
            text="of those who send one command at the same moment one is told yes, the others that it is there",
            held=True, seen="3 acknowledged, 9 duplicate",
        )
    ]  # fmt: skip
    worked_off(bus, bench)
    judge_duplicate_sends(fault, bench, told)
    bus.conn.execute(
        "INSERT INTO commandbus.audit (domain, command_id, event_type)"
        " SELECT domain, command_id, event_type FROM commandbus.audit WHERE event_type = 'SENT' LIMIT 1"
    )
    judge_duplicate_sends(fault, bench, told)
    assert held(told) == [True, True, False]


def test_a_message_that_is_there_twice(bus: HandBus, bench: Bench) -> None:
    fault = DuplicateMessages.model_validate({"do": "duplicate_messages", "count": 4})
    told = recorder(fault, bench)
    duplicate_messages(fault, bench, told)
    assert told.record.fired
    assert bus.value("SELECT count(*) FROM pgmq.q_test__commands") == 8
    bus.conn.execute("UPDATE pgmq.q_test__commands SET vt = clock_timestamp()")
    worked_off(bus, bench)
    judge_duplicate_messages(fault, bench, told)
    bus.conn.execute("INSERT INTO bench_execution SELECT * FROM bench_execution LIMIT 1")  # one was performed twice
    bus.conn.execute("DELETE FROM pgmq.a_test__commands WHERE msg_id = (SELECT min(msg_id) FROM pgmq.a_test__commands)")
    judge_duplicate_messages(fault, bench, told)
    assert held(told) == [True, True, False, False]


@pytest.mark.parametrize("place", ["audit SET ts = ts", "command SET created_at = created_at"])
def test_a_moment_by_the_clock_of_a_sender(bus: HandBus, bench: Bench, place: str) -> None:
    fault = SenderClock.model_validate({"do": "sender_clock", "hours": -1})
    told = recorder(fault, bench)
    bus.send()
    judge_sender_clock(fault, bench, told)
    bus.conn.execute(f"UPDATE commandbus.{place} - interval '1 hour'")
    judge_sender_clock(fault, bench, told)
    assert held(told) == [True, False]


def test_whether_work_is_done_again_soon(bus: HandBus, bench: Bench) -> None:
    told = recorder(SenderClock.model_validate({"do": "sender_clock"}), bench)
    resumed(bench, told)  # it has not ended
    told.end()
    resumed(bench, told)  # nothing began since
    bus.send()
    worked_off(bus, bench)
    resumed(bench, told)
    resumed(bench, told, within_s=0)
    assert held(told) == [None, None, True, False]
