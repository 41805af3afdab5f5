"""bench/capacity: the search for the knee on made-up buses, whether a rate was kept up, and what limits it."""

from random import Random

import pytest

from bench.benchmark.offer import Offered
from bench.capacity.conduct import Asked, told
from bench.capacity.limits import Limit, Look, limit
from bench.capacity.search import GAP, Knee, Offer, Try, find
from bench.capacity.trial import judged
from bench.capacity.watch import wait_class
from bench.scenarios.model import RunVerdict

NOTHING = Limit(resource="not told", why="", shares={})


def tried(rate: float, trial: int, kept: bool | None) -> Try:
    return Try(
        trial=trial, rate=rate, p50_ms=1, p99_ms=10, growth=0, delay_p99_ms=1, kept=kept, why="" if kept else "broken"
    )


def bus(capacity: float, *, noise: float = 0.0, seed: int = 1, sender: float = 1e9) -> Offer:
    """A bus that keeps up ``capacity``, give or take so much of it each time; its sender can offer ``sender``."""
    random = Random(seed)  # noqa: S311  # noise

    def offer(rate: float, trial: int) -> Try:
        if rate > sender:
            return tried(rate, trial, None)
        return tried(rate, trial, rate <= capacity * random.uniform(1 - noise, 1 + noise))

    return offer


def search(offer: Offer, *, first: float = 500, most: float = 20_000, trials: int = 3) -> Knee:
    return find(offer, first=first, most=most, trials=trials, halvings=4)


@pytest.mark.parametrize("capacity", [60, 510, 990, 3_700, 5_000, 12_345])
def test_the_knee_is_found_within_the_gap(capacity: float) -> None:
    knee = search(bus(capacity))
    assert knee.rate is not None
    assert knee.rate <= capacity < knee.rate * (1 + GAP) * 1.01
    assert len(knee.knees) == 3
    assert not knee.at_least


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_a_tenth_moves_it_by_little_more(seed: int) -> None:
    knee = search(bus(4_000, noise=0.1, seed=seed))
    assert knee.rate is not None
    assert knee.spread is not None
    assert 3_300 <= knee.rate <= 4_500
    assert knee.spread[0] <= knee.rate <= knee.spread[1]
    assert len(knee.tries) <= 40


def test_one_bad_moment_does_not_bound_the_search() -> None:
    offered: list[float] = []

    def offer(rate: float, trial: int) -> Try:
        offered.append(rate)
        return tried(rate, trial, rate <= 4_000 and not (rate == 1_000 and offered.count(1_000) == 1))

    knee = search(offer, trials=1)
    assert offered[:4] == [500, 1_000, 1_000, 2_000]
    assert knee.rate is not None
    assert knee.rate > 3_700


def test_where_nothing_is_kept_up_there_is_no_knee() -> None:
    knee = search(bus(0))
    assert (knee.rate, knee.spread, knee.limited) == (None, None, False)
    assert min(one.rate for one in knee.tries) < 20
    verdict, why = told(Asked(p99_ms=50), knee, NOTHING)
    assert verdict is RunVerdict.FAIL
    assert "Not even" in why


def test_a_sender_that_can_do_no_more_is_told_apart() -> None:
    knee = search(bus(9_000, sender=4_000))
    assert knee.limited
    verdict, why = told(Asked(), knee, NOTHING)
    assert verdict is RunVerdict.UNKNOWN
    assert why.startswith("At least ")


def test_a_bus_that_keeps_up_whatever_is_tried_has_at_least_that() -> None:
    knee = search(bus(1e9), most=2_000)
    assert (knee.rate, knee.at_least, knee.limited) == (2_000, True, False)
    assert told(Asked(), knee, NOTHING)[0] is RunVerdict.PASS


def test_a_found_knee_is_told_with_spread_and_limit() -> None:
    knee = Knee(tries=(), knees=(4_000, 5_000, 4_500), above=(tried(5_200, 1, False),))
    verdict, why = told(Asked(p99_ms=50), knee, Limit(resource="locks", why="they wait", shares={}))
    assert verdict is RunVerdict.PASS
    assert why == (
        "4,500 commands/s (4,000 to 5,000 in 3 searches) are kept up with p99 below 50 ms; limited by: locks"
        " (they wait)."
    )


def offered(p99: float = 10, *, growth: float = 0, delay: float = 1, behind_s: float = 0) -> Offered:
    return Offered(rate=1000, latencies=[p99] * 200, send_delays=[delay] * 200, growth=growth, behind_s=behind_s)


@pytest.mark.parametrize(
    ("found", "busy", "gave_up", "kept", "why"),
    [
        (offered(), 50, False, True, "kept up"),
        (offered(growth=4), 50, False, True, "kept up"),  # 40 more after all: less than may wait anyhow
        (offered(60), 50, False, False, "p99 was 60.0 ms"),
        (offered(growth=300), 50, False, False, "the backlog grew by 300 a second"),
        (offered(60, delay=40), 50, False, None, "the sender was late by 40 ms"),
        (offered(60, behind_s=2), 50, False, None, "the sender was late by 2000 ms"),
        (offered(60, delay=40), 97, False, False, "p99 was 60.0 ms"),  # nothing was left for the sender
        (offered(growth=300), 97, True, False, "the backlog grew by 300 a second"),
    ],
)
def test_a_rate_is_kept_up_or_not_or_was_not_offered(
    found: Offered, busy: float, gave_up: bool, kept: bool | None, why: str
) -> None:
    one = judged(found, 1, 50, seconds=10, busy=busy, gave_up=gave_up)
    assert (one.kept, one.why) == (kept, why)


def looks(**more: object) -> list[Look]:
    values: dict[str, object] = {
        "machine": 50.0, "workers": [40.0], "sender": 5.0, "server": 30.0, "backend": 20.0, "active": 2,
    }  # fmt: skip
    return [Look(**{**values, **more})] * 10  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "resource"),
    [
        (looks(workers=[97.0, 20.0]), "processor of a worker"),
        (looks(machine=98.0, workers=[60.0], server=120.0), "processors of the machine, most of all for the server"),
        (looks(machine=98.0, workers=[30.0], waits={"locks": 2}), "other programs on the machine"),
        (looks(backend=95.0, server=95.0), "processor of a server process"),
        (looks(waits={"write-ahead log": 1}), "write-ahead log"),
        (looks(waits={"locks": 1}), "locks"),
        (looks(waits={"data files": 1}), "data files"),
        (looks(), "not told"),
        (looks(server=None, backend=None), "not told"),
        (looks()[:3], "not told"),
        ([], "not told"),
    ],
)
def test_what_is_used_up_limits(seen: list[Look], resource: str) -> None:
    assert limit(seen, processors=2).resource == resource


@pytest.mark.parametrize(
    ("kind", "event", "about"),
    [
        ("IO", "WALSync", "write-ahead log"),
        ("IO", "WalSync", "write-ahead log"),
        ("LWLock", "WALWrite", "write-ahead log"),
        ("Lock", "tuple", "locks"),
        ("LWLock", "BufferContent", "locks"),
        ("IO", "DataFileRead", "data files"),
        ("Client", "ClientRead", None),
        (None, None, None),
    ],
)
def test_wait_events_are_about_something(kind: str | None, event: str | None, about: str | None) -> None:
    assert wait_class(kind, event) == about
