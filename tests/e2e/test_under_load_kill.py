"""Workers that die under load: by ``kill -9``, several times, and by commands that end their process."""

import pytest

from commands.bus.bulk import NewCommand
from commands.rules.behaviors import Behavior, BehaviorType
from tests.e2e.conftest import MakeLoad
from tests.e2e.test_worker_handlers import OWN
from tests.support.load import LEAST_IN_FLIGHT
from tests.support.waiting import wait_until
from tests.support.workers import COMPLETED, PARKED

pytestmark = pytest.mark.long  # the scenarios of the bench do the same in little

KILLS = 4
CULPRITS = 2


def test_a_worker_that_is_killed_again_and_again_loses_nothing(make_load: MakeLoad) -> None:
    load = make_load(lease=2)
    worker = load.worker()
    with load.stream.running(), load.fault() as fault:
        for _ in range(KILLS):
            load.wait_for_some_time()
            fault.hit(len(load.catch(worker)))
            worker.die()
            fault.ended_at = load.now()
            worker = load.worker()
    assert load.assert_kept().redelivered >= LEAST_IN_FLIGHT


def test_commands_that_end_their_process_are_parked_and_take_no_other_along(make_load: MakeLoad) -> None:
    load = make_load(lease=2)
    bus = load.bus
    worker = load.worker("", *OWN)
    slow = Behavior(type=BehaviorType.TIMEOUT, execution_time_ms=300)

    taken_along: list[int] = []  # attempts in flight when a process ended, the culprit's included

    def are_parked() -> bool:
        nonlocal worker
        if worker.program.exit_code is not None:
            taken_along.append(len(load.in_flight()))
            if taken_along[-1] > 1:
                fault.hit(taken_along[-1])
            fault.ended_at = load.now()
            worker = load.worker("", *OWN)
        return all(bus.status(culprit) == PARKED for culprit in culprits)

    with load.stream.running(), load.fault() as fault:
        load.wait_for_some_time()
        innocent = [load.send(NewCommand(behavior=slow), max_attempts=2) for _ in range(10)]
        culprits = [bus.send_to("Fail", how="die", max_attempts=2) for _ in range(CULPRITS)]
        innocent += [load.send(NewCommand(behavior=slow), max_attempts=2) for _ in range(10)]
        wait_until(are_parked, 60, "culprits in the troubleshooting queue")
        bus.wait_for_status(COMPLETED, innocent)
    load.assert_kept(apart=culprits)
    assert {bus.word(culprit) for culprit in culprits} == {"SRRT"}
    assert taken_along.count(1) == CULPRITS, f"The last attempt of each ran alone: {taken_along}"
