"""``kill -9`` of a worker under load, several times, at moments that the seed chooses."""

from tests.e2e.conftest import MakeLoad
from tests.support.load import LEAST_IN_FLIGHT

KILLS = 4


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
