"""Rows of commands that another transaction holds for three leases under load."""

import signal
from typing import LiteralString

import pytest
from psycopg import sql

from commands.bus.bulk import NewCommand
from commands.rules.behaviors import Behavior, BehaviorType
from tests.e2e.conftest import MakeLoad
from tests.support.load import LEAST_RATE
from tests.support.waiting import wait_until
from tests.support.workers import FINAL

pytestmark = pytest.mark.long  # the scenarios of the bench do the same in little

LEASES = 3
ROWS: tuple[LiteralString, ...] = (
    "commandbus.command WHERE command_id",
    "public.test_command WHERE command_id",
    "pgmq.q_test__commands WHERE (message ->> 'command_id')::uuid",
)
LONGEST_PAUSE_S = 2
HELD = 4000

_PENDING = "SELECT count(*) FROM commandbus.command WHERE status = 'PENDING'"
_HOLD = """
    SELECT FROM commandbus.command WHERE status = 'PENDING' ORDER BY msg_id LIMIT %s FOR UPDATE
"""


def test_held_rows_delay_their_commands_and_no_other(make_load: MakeLoad) -> None:
    load = make_load(lease=2)
    bus = load.bus
    worker = load.worker()
    began_at = load.now()
    slow = Behavior(type=BehaviorType.TIMEOUT, execution_time_ms=1500)
    with load.stream.running():
        with load.fault() as fault, bus.connect() as other:
            load.wait_for_some_time()
            running = [load.send(NewCommand(behavior=slow)) for _ in ROWS]
            bus.wait_for_attempts(1, running)
            in_flight = load.catch(worker, idle=True)
            waiting = [load.send(NewCommand(behavior=Behavior(type=BehaviorType.SUCCESS))) for _ in ROWS]
            for row, *held in zip(ROWS, running, waiting, strict=True):
                other.execute(sql.SQL("SELECT FROM {} = ANY (%s) FOR UPDATE").format(sql.SQL(row)), [held])
            held_at = load.now()
            assert [bus.word(each) for each in (*running, *waiting)] == ["SR"] * len(ROWS) + ["S"] * len(ROWS)
            fault.hit(len(in_flight))
            worker.signal(signal.SIGCONT)
            wait_until(lambda: (load.now() - held_at).total_seconds() > LEASES * load.lease, 20)
            let_go_at = load.now()
            assert not {bus.status(each) for each in (*running, *waiting)} & FINAL
        bus.wait_for_status("COMPLETED", [*running, *waiting], timeout=10)
    load.assert_kept()
    rate, pause = load.ends_between(held_at, let_go_at)
    assert pause <= LONGEST_PAUSE_S
    # As fast as it is sent, or as the machine allows at the moment.
    before, _ = load.ends_between(began_at, held_at)
    assert rate >= min(LEAST_RATE, before / 2)


def test_thousands_of_held_commands_delay_no_other(make_load: MakeLoad) -> None:
    load = make_load(lease=2)
    worker = load.worker()
    began_at = load.now()
    with load.stream.running(), load.fault() as fault:
        load.wait_for_some_time()
        in_flight = load.catch(worker, idle=True)
        stopped_at = load.now()
        wait_until(lambda: load.bus.value(_PENDING) >= HELD, 20, "a backlog")
        with load.bus.connect() as other:
            other.execute(_HOLD, [HELD])
            held_at = load.now()
            fault.hit(len(in_flight))
            worker.signal(signal.SIGCONT)
            wait_until(lambda: (load.now() - held_at).total_seconds() > LEASES * load.lease, 20)
            let_go_at = load.now()
    load.assert_kept()
    rate, pause = load.ends_between(held_at, let_go_at)
    assert pause <= LONGEST_PAUSE_S
    before, _ = load.ends_between(began_at, stopped_at)
    assert rate >= min(LEAST_RATE, before / 2)
