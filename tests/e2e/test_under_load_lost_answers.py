"""A connection cut between COMMIT and its answer, several times, under load."""

import pytest

from tests.e2e.conftest import MakeLoad
from tests.support.load import LEAST_IN_FLIGHT, Load
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.long  # the scenarios of the bench do the same in little

CUTS = 5


def cut_answers(load: Load, proxy: Proxy, asked: bytes, answered: bytes) -> list[int]:
    """Lose `CUTS` such answers while the stream runs; how many attempts were in flight at each."""
    load.worker(proxy.url)
    since = load.now()

    def now() -> bool:
        nonlocal since
        in_flight = len(load.in_flight(since))
        if in_flight < LEAST_IN_FLIGHT or len(fault.in_flight) == CUTS:
            return False
        fault.hit(in_flight)
        since = load.now()
        return True

    with load.stream.running(), load.fault() as fault:
        load.wait_for_some_time()
        proxy.cut(asked, answered, only_if=now)
        wait_until(lambda: proxy.cuts == CUTS, 30, f"{CUTS} cuts")
    return fault.in_flight


def test_a_receive_whose_answer_is_lost_costs_one_delivery(make_load: MakeLoad, proxy: Proxy) -> None:
    load = make_load(lease=2)
    cut_answers(load, proxy, b"receive_commands", b"TestCommand")
    assert load.assert_kept().redelivered >= CUTS


def test_a_finish_whose_answer_is_lost_is_written_once(make_load: MakeLoad, proxy: Proxy) -> None:
    load = make_load(lease=20)
    cut_answers(load, proxy, b"finish_commands", b"accepted")
    load.assert_kept(exact=True)
