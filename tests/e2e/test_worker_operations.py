"""Workers work off what people asked for, and one that dies leaves it to another."""

import json
from typing import Any

from tests.e2e.conftest import StartWorker
from tests.support.waiting import wait_until
from tests.support.workers import LiveBus

SEND = {
    "parts": [{"behavior": {"type": "success"}, "weight": 1}],
    "seed": 1,
    "in_turn": False,
    "reply": False,
    "payload": {},
    "max_attempts": 1,
}


def ask(bus: LiveBus, count: int) -> int:
    return int(
        bus.value(
            "INSERT INTO e2e_operation (kind, domain, operator, spec, wanted)"
            " VALUES ('send', 'test', 'ada', %s, %s) RETURNING operation_id",
            [json.dumps(SEND), count],
        )
    )


def operation(bus: LiveBus, operation_id: int) -> dict[str, Any]:
    return bus.rows("SELECT * FROM e2e_operation WHERE operation_id = %s", [operation_id])[0]


def test_a_worker_that_is_killed_in_an_operation_leaves_it_to_another_and_nothing_is_sent_twice(
    bus: LiveBus, start_worker: StartWorker
) -> None:
    bus.settings(concurrency=200, batch_size=200)
    killed = start_worker()
    operation_id = ask(bus, 30_000)
    wait_until(lambda: operation(bus, operation_id)["done"] >= 5000, timeout=20)
    killed.die()
    left = operation(bus, operation_id)
    assert (left["state"], left["done"] % 5000) == ("running", 0)
    other = start_worker("--once", ready=False)
    assert other.wait(timeout=60) == 0
    ended = operation(bus, operation_id)
    assert (ended["state"], ended["done"]) == ("done", 30_000)
    counts = bus.rows(
        "SELECT count(*) AS n, count(DISTINCT command_id) AS ids, count(*) FILTER (WHERE status = 'COMPLETED') AS done"
        " FROM commandbus.command WHERE correlation_id = %s",
        [ended["correlation_id"]],
    )[0]
    assert (counts["n"], counts["ids"]) == (30_000, 30_000)
    assert [line["operation"] for line in other.lines("operation_over")] == [operation_id]
    assert bus.queued() == []
