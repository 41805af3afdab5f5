"""A worker that acknowledges before the work is done turns one invariant red; a whole one turns none."""

from pathlib import Path
from time import time

import pytest

from bench.invariants.check import check
from bench.ledgers.executions import read_executions
from bench.ledgers.load import load_ledgers
from bench.ledgers.sends import SendLedger, Told, Trying
from bench.report.document import RuleWord
from bench.witness import Orders
from tests.e2e.conftest import StartWorker
from tests.support.stories import RUN, limits
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, LiveBus

WORK_MS = 400


@pytest.mark.parametrize(("around", "red"), [("bench.witness", set()), ("tests.support.hasty", {"V14"})])
def test_a_completion_stands_on_an_execution(
    around: str, red: set[str], bus: LiveBus, start_worker: StartWorker, tmp_path: Path
) -> None:
    orders = Orders(folder=str(tmp_path), worker="w1").environment()
    start_worker("--concurrency", "10", "--around", around, ready=True, **orders)
    with SendLedger(tmp_path) as ledger:
        ids = [bus.timeout(WORK_MS) for _ in range(20)]
        first = ledger.intend([Trying(command_id=i, kind="timeout", intended=time()) for i in ids])
        ledger.answer(first, len(ids), Told.ACKNOWLEDGED)
    bus.wait_for_status(COMPLETED, ids)
    wait_until(lambda: sum(done.ended is not None for done in read_executions(tmp_path)) == len(ids))
    load_ledgers(bus.conn, tmp_path, RUN)
    rules = check(bus.conn, limits(run_id=RUN, strict=True))
    assert [rule.id for rule in rules if rule.word is RuleWord.UNKNOWN] == []
    assert {rule.id: rule.violations for rule in rules if rule.word is RuleWord.BROKEN} == dict.fromkeys(red, len(ids))
