"""Workers take turns at sampling: another follows one that dies, and nothing is lost or counted twice."""

import signal
from collections.abc import Callable

import pytest

from commands.bus.bulk import NewCommand, send_many
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import DOMAIN
from tests.conftest import StartManage
from tests.e2e.conftest import StartWorker
from tests.support.waiting import wait_until
from tests.support.workers import LiveBus, Worker

WITHIN_S = 5.0
SUCCESS = Behavior(type=BehaviorType.SUCCESS)


def send(bus: LiveBus, count: int) -> None:
    commands = (NewCommand(behavior=SUCCESS) for _ in range(count))
    send_many({"conninfo": bus.url}, DOMAIN, commands, max_attempts=3)


def happened_and_sampled(bus: LiveBus) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many commands were sent, attempts begun, and commands completed: by the audit, and by the samples."""
    happened = bus.rows(
        "SELECT event_type, count(*) AS n FROM commandbus.audit GROUP BY 1",
    )
    counts = {row["event_type"]: row["n"] for row in happened}
    (sampled,) = bus.rows(
        "SELECT sum(sent) AS s, sum(received) AS r, sum(completed) AS c FROM e2e_sample WHERE width_s = 1"
    )
    return tuple(counts.get(event, 0) for event in ("SENT", "RECEIVED", "COMPLETED")), tuple(
        int(value or 0) for value in sampled.values()
    )


def all_is_counted(bus: LiveBus) -> bool:
    happened, sampled = happened_and_sampled(bus)
    assert all(told <= real for told, real in zip(sampled, happened, strict=True)), (happened, sampled)
    return happened == sampled


def samples(bus: LiveBus) -> Callable[[], bool]:
    """Whether a sample was taken since this was made."""
    before = bus.value("SELECT clock_timestamp()")
    return lambda: bool(bus.value("SELECT sampled_at > %s FROM e2e_sampler", [before]))


def sampling_one(*workers: Worker) -> Worker:
    (one,) = wait_until(lambda: [worker for worker in workers if worker.lines("sampling")])
    return one


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_when_it_dies_or_is_frozen_another_takes_over_within_5_seconds_and_all_is_counted(
    end: signal.Signals, bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(concurrency=100, batch_size=100)
    workers = [start_worker(), start_worker()]
    first = sampling_one(*workers)
    send(bus, 3000)
    first.signal(end)
    other = next(worker for worker in workers if worker is not first)
    other.wait_for("sampling", timeout=WITHIN_S)  # a sample may also be the first one's, under way at its end
    wait_until(samples(bus), timeout=WITHIN_S)
    wait_until(lambda: all_is_counted(bus) and bus.statuses().get("COMPLETED", 0) >= 2800, timeout=20)
    if end == signal.SIGSTOP:
        first.signal(signal.SIGCONT)
        assert first.wait_for("sampling_lost")["sampler"].endswith(f":{other.pid}")


def test_a_worker_that_stops_counts_what_it_did_and_another_begins_at_once(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(concurrency=100, batch_size=100)
    send(bus, 2000)
    worker = start_worker()
    bus.wait_for_status(
        "COMPLETED", [row["command_id"] for row in bus.rows("SELECT command_id FROM commandbus.command")]
    )
    assert worker.stop() == 0
    assert happened_and_sampled(bus) == ((2000, 2000, 2000), (2000, 2000, 2000))
    assert bus.value("SELECT sampler FROM e2e_sampler") == ""


def test_one_that_ends_at_once_counts_what_it_did_too(bus: LiveBus, start_worker: StartWorker) -> None:
    bus.send()
    worker = start_worker("--once", ready=False)
    assert worker.wait() == 0
    assert happened_and_sampled(bus) == ((1, 1, 1), (1, 1, 1))
    assert bus.value("SELECT sampler FROM e2e_sampler") == ""


def test_a_worker_that_shall_not_sample_does_not(bus: LiveBus, start_worker: StartWorker) -> None:
    sent = bus.send()
    worker = start_worker("--no-sampler", "--once", ready=False)
    assert worker.wait() == 0
    assert bus.status(sent) == "COMPLETED"
    assert bus.value("SELECT sampled_at FROM e2e_sampler") is None


def test_through_a_pooler_it_samples_too(bus: LiveBus, pooler: str, start_worker: StartWorker) -> None:
    bus.settings(poll_interval=0.3)
    worker = start_worker(DATABASE_URL=pooler)
    sent = bus.send()
    bus.wait_for_status("COMPLETED", [sent])
    wait_until(lambda: happened_and_sampled(bus)[1] == (1, 1, 1))
    assert worker.stop() == 0


def test_what_the_server_refuses_is_said_once_and_the_worker_goes_on(bus: LiveBus, start_worker: StartWorker) -> None:
    rename = "ALTER FUNCTION commandbus.{}(TEXT, INTERVAL, BIGINT) RENAME TO {}"
    bus.conn.execute(rename.format("take_sample", "no_sample"))
    try:
        worker = start_worker()
        assert "take_sample" in worker.wait_for("sample_failed")["message"]
        first = bus.send()
        bus.wait_for_status("COMPLETED", [first])
    finally:
        bus.conn.execute(rename.format("no_sample", "take_sample"))
    worker.wait_for("sample_again")
    wait_until(lambda: all_is_counted(bus))
    assert len(worker.lines("sample_failed")) == 1
    assert worker.stop() == 0


def test_a_sampler_alone(bus: LiveBus, start_manage: StartManage) -> None:
    bus.send()
    sampler = start_manage("sampler")
    wait_until(lambda: happened_and_sampled(bus) == ((1, 0, 0), (1, 0, 0)))
    beside = start_manage("sampler", "--once")
    assert beside.wait() == 0
    assert f":{sampler.pid} samples." in beside.output
    bus.send()
    sampler.send_signal(signal.SIGINT)
    assert sampler.wait() == 0
    assert happened_and_sampled(bus) == ((2, 0, 0), (2, 0, 0))
    bus.send()
    once = start_manage("sampler", "--once")
    assert once.wait() == 0
    assert "Sampled: 1 events counted." in once.output
