"""Under load the way to the server passes nothing on, and every connection stays open."""

import pytest

from tests.e2e.conftest import MakeLoad
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.long  # the scenarios of the bench do the same in little

FROZEN_S = 5


def test_a_worker_whose_server_does_not_answer_goes_on_when_it_does(make_load: MakeLoad, proxy: Proxy) -> None:
    load = make_load(lease=3)
    load.worker(proxy.url)
    with load.stream.running(), load.fault() as fault:
        load.wait_for_some_time()
        proxy.hold()
        fault.hit(wait_until(lambda: len(load.in_flight()), 10, "attempts in flight"))
        began = load.now()
        wait_until(lambda: (load.now() - began).total_seconds() > FROZEN_S, 20)
        proxy.passing.set()
        fault.ended_at = load.now()
    load.assert_kept()
