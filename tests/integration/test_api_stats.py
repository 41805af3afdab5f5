"""The API's statistics: how it stands now, and what was sampled over a window."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.api import stats
from commands.rules.grid import floor
from tests.integration.test_pages import ask, begin, finish, send, worker
from tests.support.api import Api, refusal
from tests.support.samples import add_history, add_sample, sampled

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def now() -> datetime:
    found: datetime = ask("SELECT clock_timestamp()")
    return found.astimezone(UTC)


def got(path: str, **query: Any) -> Any:
    response = Api().get(path, query)
    assert response.status_code == 200, response.text
    return response.json()


def column(answer: dict[str, Any], at: datetime) -> dict[str, Any]:
    (found,) = [one for one in answer["columns"] if datetime.fromisoformat(one["at"]) == at]
    return dict(found)


# -- now -------------------------------------------------------------------------------------------------------------


def test_the_overview_says_how_it_stands() -> None:
    first = send(type="fail_permanent")
    finish(begin()[first], "permanent")
    send()
    worker("alpha")
    at = floor(now(), 1)
    sampled(at)
    add_sample(at, 1, visible=3, in_flight=2, delayed=1, oldest_s=1.5, tsq=1, workers=1)
    found = got("/stats/overview")
    assert {one["status"]: (one["count"], one["mark"]) for one in found["statuses"]} == {
        "PENDING": (1, "exact"),
        "IN_PROGRESS": (0, "exact"),
        "COMPLETED": (0, "exact"),
        "FAILED": (0, "exact"),
        "CANCELED": (0, "exact"),
        "IN_TROUBLESHOOTING_QUEUE": (1, "exact"),
    }
    assert (found["workers_alive"], found["slots"], found["paused"]) == (1, 4, False)
    assert datetime.fromisoformat(found["queue"].pop("at")) == at
    assert found["queue"] == {"visible": 3, "in_flight": 2, "delayed": 1, "oldest_s": 1.5, "tsq": 1, "workers": 1}
    assert found["sampler"] == {"sampler": "here:1", "at": at.isoformat(), "silent": False}


def test_before_the_first_sample_nothing_is_made_up() -> None:
    found = got("/stats/overview")
    assert (found["queue"], found["sampler"]) == (None, {"sampler": "", "at": None, "silent": True})
    assert got("/stats/queue")["newest"] is None
    answer = got("/stats/throughput")
    assert answer["total"]["sent"] is None
    assert {one["sent"] for one in answer["columns"]} == {None}
    assert got("/stats/latency")["total"]["waiting"] == {
        "measured": 0,
        "p50_ms": None,
        "p95_ms": None,
        "p99_ms": None,
    }


def test_the_overview_is_read_once_for_all_who_ask(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.SHARED_FOR_S = 60
    try:
        first = got("/stats/overview")
        send()
        with django_assert_num_queries(0):
            assert got("/stats/overview") == first
    finally:
        stats._overviews.forget()


def test_recent_activity_is_the_newest_events() -> None:
    sent = send()
    finish(begin()[sent], "transient", delay_ms=1000)
    ask("SELECT pgmq.send('test__commands', '{}'::jsonb)")
    begin()
    items = got("/stats/recent-activity")["items"]
    assert [item["event"] for item in items] == ["MESSAGE_REJECTED", "FAILED", "RECEIVED", "SENT"]
    assert [item["command_id"] for item in items] == [None, str(sent), str(sent), str(sent)]
    assert items[1]["label"] == "Failed, will be retried"
    assert items[1]["summary"] == "attempt 1 of 3, E: went wrong, next in 1 s"
    assert items[1]["behavior"] == "success"
    assert [item["event"] for item in got("/stats/recent-activity", limit=1)["items"]] == ["MESSAGE_REJECTED"]
    for wrong in (0, 101, "x"):
        assert refusal(Api().get("/stats/recent-activity", {"limit": wrong}), 422)["errors"][0]["field"] == "limit"


# -- over a window ---------------------------------------------------------------------------------------------------


def test_throughput_is_counted_in_columns_and_in_all() -> None:
    at = floor(now(), 10) - timedelta(seconds=30)
    add_sample(at, sent=100, received=90, completed=50, retried=4, parked=3, failed=2, canceled=1, late=7)
    add_sample(at + timedelta(seconds=10), seconds=30.0, completed=60)
    answer = got("/stats/throughput", minutes=15)
    assert (answer["width"], len(answer["columns"])) == (10, 91)
    assert [one["open"] for one in answer["columns"]].count(True) == 1
    found = column(answer, at)
    assert (found["sent"], found["sent_per_s"], found["completed"], found["ended_per_s"]) == (100, 10.0, 50, 5.6)
    assert (found["retried"], found["parked"], found["failed"], found["canceled"], found["late"]) == (4, 3, 2, 1, 7)
    after = column(answer, at + timedelta(seconds=10))
    assert (after["seconds"], after["ended_per_s"]) == (30.0, 2.0)
    total = answer["total"]
    assert (total["seconds"], total["sent"], total["completed"]) == (40.0, 100, 110)


def test_latency_is_told_by_percentiles_of_columns_and_of_all() -> None:
    at = floor(now(), 10) - timedelta(seconds=30)
    add_sample(at, waiting=[0] * 9 + [98, 0, 0, 0, 2], running=[5])
    add_sample(at + timedelta(seconds=10), waiting=[0] * 17 + [900])
    answer = got("/stats/latency", minutes=15)
    found = column(answer, at)
    assert found["waiting"] == {"measured": 100, "p50_ms": 4.757, "p95_ms": 4.757, "p99_ms": 9.514}
    assert found["running"] == {"measured": 5, "p50_ms": 1.0, "p95_ms": 1.0, "p99_ms": 1.0}
    assert answer["total"]["waiting"] == {"measured": 1000, "p50_ms": 19.027, "p95_ms": 19.027, "p99_ms": 19.027}


def test_the_queue_is_told_as_it_is_and_as_it_was() -> None:
    at = floor(now(), 60) - timedelta(minutes=2)
    add_sample(at, 60, visible=9, in_flight=8, delayed=7, tsq=6, workers=5, oldest_s=4.0)
    add_sample(floor(now(), 1), 1, visible=2)
    answer = got("/stats/queue")
    found = column(answer, at)
    assert {name: found[name] for name in ("visible", "in_flight", "delayed", "tsq", "workers", "oldest_s")} == {
        "visible": 9,
        "in_flight": 8,
        "delayed": 7,
        "tsq": 6,
        "workers": 5,
        "oldest_s": 4.0,
    }
    assert answer["newest"]["visible"] == 2


@pytest.mark.parametrize(
    ("query", "width"),
    [
        ({}, 60),
        ({"minutes": 1}, 1),
        ({"minutes": 7 * 24 * 60}, 7200),
        ({"since": "24h"}, 900),
        ({"since": "24h", "until": "23h", "width": 60}, 60),
        ({"since": "26h", "until": "25h"}, 60),
        ({"until": "8d", "minutes": 30}, 3600),
        ({"minutes": 10, "width": 20}, 20),
    ],
)
def test_a_window_has_columns_of_a_width_that_is_kept(query: dict[str, Any], width: int) -> None:
    answer = got("/stats/throughput", **query)
    assert answer["width"] == width
    assert len(answer["columns"]) <= 102
    since, until = (datetime.fromisoformat(answer[name]) for name in ("since", "until"))
    assert until - since == len(answer["columns"]) * timedelta(seconds=width)


def test_what_is_seen_in_any_width_is_the_same() -> None:
    add_history(now(), sent=2, completed=1)
    for width in (60, 120, 300, 600):
        closed = [one for one in got("/stats/throughput", since="3h", width=width)["columns"] if not one["open"]]
        assert {(one["sent"], one["sent_per_s"], one["ended_per_s"]) for one in closed} == {(2 * width, 2.0, 1.0)}


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({"minutes": 0}, "minutes", "greater than or equal to 1"),
        ({"minutes": 90 * 24 * 60 + 1}, "minutes", "less than or equal to 129600"),
        ({"minutes": "x"}, "minutes", "valid integer"),
        ({"since": "yesterday"}, "since", "It must be a time in UTC"),
        ({"since": "1h", "until": "2h"}, "until", "must begin before it ends"),
        ({"since": "2100-01-01"}, "since", "before now"),
        ({"since": "91d"}, "since", "longer than 90 days"),
        ({"until": "0001-01-01"}, "until", "longer than 90 days"),
        ({"since": "1h", "minutes": 5}, "minutes", "leave one of them out"),
        ({"width": 7}, "width", "width must be one of 1, 2, 5"),
        ({"since": "2h", "width": 1}, "width", "are kept for 1 h"),
        ({"since": "50min", "width": 10}, "width", "more than 240 columns"),
        ({"domain": "none"}, "domain", "no domain 'none'"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_field(query: dict[str, Any], field: str, said: str) -> None:
    (error,) = refusal(Api().get("/stats/throughput", query), 422)["errors"]
    assert error["field"] == field
    assert said in error["message"]


@pytest.mark.parametrize("path", ["/stats/latency", "/stats/queue"])
def test_latency_and_queue_take_the_same_window(path: str) -> None:
    assert refusal(Api().get(path, {"width": 7}), 422)["errors"][0]["field"] == "width"
    assert got(path, minutes=15)["width"] == 10


@pytest.mark.django_db(transaction=True)
def test_another_domain_has_statistics_of_its_own(orders: str) -> None:
    add_sample(floor(now(), 60) - timedelta(minutes=2), 60, domain=orders, sent=5)
    assert got("/stats/throughput", domain=orders)["total"]["sent"] == 5
    assert got("/stats/throughput")["total"]["sent"] is None
    assert got("/stats/overview", domain=orders)["domain"] == orders


def test_a_nul_character_is_refused_as_a_problem() -> None:
    assert "NUL" in refusal(Api().get("/stats/overview?domain=%00"), 400)["detail"]


# -- load tests ------------------------------------------------------------------------------------------------------


def test_the_newest_load_test_is_told_by_its_figures() -> None:
    assert "manage.py loadtest" in refusal(Api().get("/stats/load-test"), 404)["detail"]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO public.load_run (state, phase, host, pid, options, commands, sent, completed, as_expected,
                verdict, ended_at, summary)
            VALUES ('finished', 'measuring', 'here', 1, '{}', 10, 10, 10, true,
                'Every command ended as its behavior says.', clock_timestamp(),
                '{"rates": {"asked_per_s": null, "processing_per_s": 812.5},
                  "latency_ms": {"end_to_end": {"p99": 21.5}}}')
            """
        )
    found = got("/stats/load-test")
    assert (found["state"], found["as_expected"], found["completed"]) == ("finished", True, 10)
    assert found["rates"] == {"asked_per_s": None, "processing_per_s": 812.5}
    assert found["end_to_end_ms"] == {"p99": 21.5}
