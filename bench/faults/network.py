"""Faults of the network between workers or sender and server (F11), done by the proxies before it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from bench.faults.bench import ANSWERS_WITHIN_S, FaultError
from bench.faults.inject import injects, judges
from bench.faults.judging import live_on, processes, resumed
from bench.faults.proxy import HOST, is_silent
from bench.ledgers.sends import Told
from bench.scenarios.faults import Network
from e2e_site.database import STATEMENT_DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.faults.bench import Bench, Recorder
    from bench.faults.proxy import Proxy

CAUGHT_WITHIN_S = 20
_SLACK_S = 1.0
_ROUND_TRIPS = 5
# What a statement of each kind has in its text, and its answer where it did something.
_TELLS = {
    "receive": (b"commandbus.receive_commands", b"TestCommand"),
    "finish": (b"commandbus.finish_commands", b"accepted"),
    "send": (b"commandbus.send_commands", b"SELECT 1"),
}
_HEARD_NOTHING = """
    SELECT count(*), count(*) FILTER (WHERE command_id IN (SELECT command_id FROM commandbus.command))
    FROM public.bench_send WHERE outcome = %s
"""


class _Network(NamedTuple):
    """The way of somebody to the server. ``patience_s``: how long they wait for an answer, at most."""

    whose: str
    proxy: Proxy
    patience_s: float


@injects(Network)
def network(fault: Network, bench: Bench, recorder: Recorder) -> None:
    """Spoil the network of those whose it is, then let all pass again."""
    spoil = {"delay": _delay, "reset": _reset, "blackhole": _blackhole, "lose_answers": _lose_answers}[fault.how]
    networks = list(_networks(fault, bench))
    before = processes(bench)
    try:
        spoil(fault, bench, recorder, networks)
    finally:
        for _, proxy, _ in networks:
            proxy.delay(0)
            proxy.restore()
        if recorder.record.began_s is not None:
            recorder.end()
    live_on(bench, recorder, before)


@judges(Network)
def judge_network(fault: Network, bench: Bench, recorder: Recorder) -> None:
    resumed(bench, recorder)
    if fault.whose == "workers" or fault.how == "delay":
        return
    with bench.connection() as conn:
        row = conn.execute(_HEARD_NOTHING, [Told.UNKNOWN]).fetchone()
    unknown, there = row or (0, 0)
    if fault.how != "reset":
        text = "what a sender heard no answer to is unknown to it, neither sent nor refused"
        recorder.criterion(text, unknown > 0, f"{unknown} commands")
    if fault.how == "lose_answers" and _only_loses_answers(bench):
        text = "what the server had taken before the answer was lost is there"
        recorder.criterion(text, unknown == there, f"{there} of {unknown} commands")


def _networks(fault: Network, bench: Bench) -> list[_Network]:
    found = []
    if fault.whose != "sender":
        found.append(("workers", bench.proxy, STATEMENT_DEADLINE_S))
    if fault.whose != "workers":
        found.append(("sender", bench.sender_proxy, ANSWERS_WITHIN_S))
    missing = [whose for whose, proxy, _ in found if proxy is None]
    if missing:
        raise FaultError(f"there is no network that can be spoiled between {' and '.join(missing)} and server")
    return [_Network(whose, proxy, patience_s) for whose, proxy, patience_s in found if proxy is not None]


def _only_loses_answers(bench: Bench) -> bool:
    """Whether nothing else in the scenario could make a send unknown."""
    return all(
        not fault.needs_cluster
        and (not isinstance(fault, Network) or fault.whose == "workers" or fault.how in ("delay", "lose_answers"))
        for fault in bench.plan.scenario.faults
    )


def _delay(fault: Network, bench: Bench, recorder: Recorder, networks: list[_Network]) -> None:
    delay_s = bench.plan.scenario.seconds(fault.delay)
    before_s = [_round_trip_s(bench, proxy) for _, proxy, _ in networks]
    recorder.begin()
    for _, proxy, _ in networks:
        proxy.delay(delay_s)
    for (whose, proxy, _), was_s in zip(networks, before_s, strict=True):
        took_s = _round_trip_s(bench, proxy)
        if took_s < 2 * delay_s:
            raise FaultError(f"a round trip of the {whose} took {took_s * 1000:.1f} ms: it was not delayed")
        recorder.fire(f"{whose}: a round trip takes {took_s * 1000:.0f} ms instead of {was_s * 1000:.1f} ms")
    bench.wait(bench.plan.scenario.seconds(fault.lasts))


def _round_trip_s(bench: Bench, proxy: Proxy) -> float:
    """The shortest of some."""
    times = []
    with psycopg.connect(**proxy.through(bench.database.params), autocommit=True) as conn:
        for _ in range(_ROUND_TRIPS):
            began = time.monotonic()
            conn.execute("SELECT 1")
            times.append(time.monotonic() - began)
    return min(times)


def _reset(fault: Network, bench: Bench, recorder: Recorder, networks: list[_Network]) -> None:
    """At moments that the seed says, about evenly."""
    random, ended = bench.random("network reset"), 0
    pause_s = bench.plan.scenario.seconds(fault.lasts) / fault.count
    for _ in range(fault.count):
        recorder.begin()
        if now := sum(proxy.reset() for _, proxy, _ in networks):
            recorder.fire()
        ended += now
        bench.wait(pause_s * random.uniform(0.5, 1.5))
    if not ended:
        raise FaultError("there was no connection to reset")
    recorder.fire(f"{fault.count} resets ended {ended} connections")


def _blackhole(fault: Network, bench: Bench, recorder: Recorder, networks: list[_Network]) -> None:
    lasts_s = bench.plan.scenario.seconds(fault.lasts)
    with bench.connection() as conn:
        bench.wait_until(lambda: bench.in_flight(conn) > 0, CAUGHT_WITHIN_S, "an attempt in flight")
    recorder.begin()
    began = time.monotonic()
    ours = [_go_dark(bench, whose, proxy) for whose, proxy, _ in networks]
    recorder.fire(f"nothing passes for {lasts_s:g} s")
    bench.wait(max(0.0, lasts_s - (time.monotonic() - began)))
    for (whose, proxy, patience_s), so_many in zip(networks, ours, strict=True):
        left = [at - began for at in proxy.counts.left[so_many:]]
        if left or lasts_s > patience_s + _SLACK_S:
            text = f"{whose} give a connection up that says nothing, within {patience_s:g} s"
            seen = f"after {left[0]:.1f} s" if left else "they did not"
            recorder.criterion(text, bool(left) and left[0] <= patience_s + _SLACK_S, seen)


def _go_dark(bench: Bench, whose: str, proxy: Proxy) -> int:
    """Let nothing pass, and look; how many have given up by then, the one that looked among them."""
    before = len(proxy.counts.left)
    proxy.blackhole()
    if not is_silent(HOST, proxy.port):
        raise FaultError(f"something still passes between {whose} and server")
    bench.wait_until(lambda: len(proxy.counts.left) > before, _SLACK_S, "the end of the one that looked")
    return len(proxy.counts.left)


def _lose_answers(fault: Network, bench: Bench, recorder: Recorder, networks: list[_Network]) -> None:
    within_s = max(CAUGHT_WITHIN_S, bench.plan.scenario.seconds(fault.lasts))
    orders = []
    for whose, proxy, _ in networks:
        asked, answered = _TELLS["send" if whose == "sender" else fault.of]
        orders.append((whose, proxy, proxy.lose_answers(asked, fault.count, answered=answered)))
    recorder.begin()

    def when(are: Callable[[Any], bool]) -> Callable[[], bool]:
        return lambda: are(order.is_done if are is all else order.lost > 0 for _, _, order in orders)

    try:
        bench.wait_until(when(any), within_s, "an answer to lose")
        recorder.fire()
        bench.wait_until(when(all), within_s, f"{fault.count} answers to lose")
    finally:
        for _, proxy, order in orders:
            proxy.lose_no_more(order)
    told = (f"{order.lost} answers to {'send' if whose == 'sender' else fault.of}" for whose, _, order in orders)
    recorder.fire(f"lost: {', '.join(told)}")
