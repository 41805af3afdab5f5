"""Under load the server refuses every outcome for two leases, as while a function is being replaced."""

import signal

import pytest

from tests.e2e.conftest import MakeLoad
from tests.e2e.test_worker_moment import renamed
from tests.support.waiting import wait_until

pytestmark = pytest.mark.long  # the scenarios of the bench do the same in little

LEASES = 2


def test_while_no_outcome_can_be_written_none_is_blamed_and_nothing_is_performed_twice(make_load: MakeLoad) -> None:
    load = make_load(lease=3)
    worker = load.worker()
    with load.stream.running(), load.fault() as fault:
        load.wait_for_some_time()
        in_flight = load.catch(worker, idle=True)
        with renamed(load.bus, "finish_commands"):
            fault.hit(len(in_flight))
            began = load.now()
            worker.signal(signal.SIGCONT)
            wait_until(lambda: (load.now() - began).total_seconds() > LEASES * load.lease, 20)
        fault.ended_at = load.now()
    assert load.assert_kept(exact=True).redelivered == 0
