"""``/metrics``: who may read it, what it says, and that what it says comes from the sampler's rows alone."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from e2e_site import hosts
from tests.support.api import token_of
from tests.support.clusters import CHECKOUT
from tests.support.promtool import promtool

pytestmark = pytest.mark.django_db

HERE = "192.0.2.7"
NOWHERE = "postgres://nobody@127.0.0.1:1/nowhere"
Values = dict[str, float]
COLUMNS = (
    "(domain, width_s, at, seconds, oldest_s, visible, in_flight, delayed, tsq, workers, sent, received, completed,"
    " retried, parked, failed, canceled, late, first_audit, last_audit)"
)


@pytest.fixture(autouse=True)
def _from_here(settings: Settings) -> None:
    settings.METRICS_NETWORKS = [hosts.network("192.0.2.0/24")]
    settings.PUBLIC_READ = True


@pytest.fixture
def scraper() -> Client:
    return Client(REMOTE_ADDR=HERE)


def execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def sampled(*, ago_s: float = 1, oldest_s: float | None = 2.5) -> None:
    """The sampler's rows as it leaves them: a second of the domain "test", its totals, the database."""
    at = timezone.now() - timedelta(seconds=ago_s)
    execute(
        f"INSERT INTO e2e_sample {COLUMNS}"
        " VALUES ('test', 1, %s, 1, %s, 11, 12, 13, 14, 15, 1, 1, 1, 1, 1, 1, 1, 1, 0, 8)",
        at,
        oldest_s,
    )
    execute("INSERT INTO e2e_database_sample VALUES (10, %s, 123456, 78, 9000)", at)
    execute("UPDATE e2e_sampler SET sampled_at = %s, sampler = 'host:1'", at)
    execute(
        "INSERT INTO e2e_sample_total VALUES ('test', %s, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008,"
        " '{1,0,0,0,0,2}', %s) ON CONFLICT DO NOTHING",
        datetime(2026, 1, 2, tzinfo=UTC),
        [0] * 100 + [3],
    )


def values(text: str) -> Values:
    """Each sample of a page in Prometheus's text format by its name and labels, as they stand there."""
    return {
        f"{s.name}{json.dumps(s.labels, sort_keys=True) if s.labels else ''}": s.value
        for family in parser.text_string_to_metric_families(text)
        for s in family.samples
    }


def test_counters_gauges_and_histograms_are_the_samplers_numbers(scraper: Client) -> None:
    sampled()
    response = scraper.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    found = values(response.text)
    of_test = '{"domain": "test"}'
    assert {name: found[f"commandbus_{name}{of_test}"] for name in (
        "commands_sent_total", "attempts_received_total", "commands_completed_total", "attempts_retried_total",
        "commands_parked_total", "commands_failed_total", "commands_canceled_total", "attempts_late_total",
    )} == {
        "commands_sent_total": 1001, "attempts_received_total": 1002, "commands_completed_total": 1003,
        "attempts_retried_total": 1004, "commands_parked_total": 1005, "commands_failed_total": 1006,
        "commands_canceled_total": 1007, "attempts_late_total": 1008,
    }  # fmt: skip
    assert [found[f"commandbus_{name}{of_test}"] for name in (
        "queue_visible_messages", "queue_in_flight_messages", "queue_delayed_messages", "queue_oldest_seconds",
        "tsq_commands", "workers", "counted_since_seconds",
    )] == [11, 12, 13, 2.5, 14, 0, 1767312000]  # fmt: skip
    assert [found[f"commandbus_{name}"] for name in (
        "database_size_bytes", "database_dead_rows", "database_wal_bytes_total", "paused", "settings_version",
    )] == [123456, 78, 9000, 0, 1]  # fmt: skip
    assert 1 <= found["commandbus_sampler_age_seconds"] < 60
    (build,) = (name for name in found if name.startswith("commandbus_build_info"))
    assert set(re.findall(r'"(\w+)": "[0-9]+\.', build)) == {"site", "library", "pgmq", "postgresql"}


def test_prometheus_has_nothing_to_say_against_it(scraper: Client) -> None:
    sampled()
    assert promtool("check", "metrics", text=scraper.get("/metrics").text) == ""


def test_a_histogram_has_few_buckets_and_loses_none(scraper: Client) -> None:
    sampled()
    found = values(scraper.get("/metrics").text)

    def bucket(what: str, end: str) -> float:
        return found[f'commandbus_{what}_seconds_bucket{{"domain": "test", "le": "{end}"}}']

    ends = [name for name in found if name.startswith("commandbus_command_waiting_seconds_bucket")]
    assert len(ends) == 21
    assert [bucket("command_waiting", end) for end in ("0.001", "0.002", "0.004", "65.536", "+Inf")] == [1, 1, 3, 3, 3]
    # Longer than the last bucket that has an end.
    assert [bucket("attempt_running", end) for end in ("4194.304", "+Inf")] == [0, 3]
    assert found['commandbus_command_waiting_seconds_count{"domain": "test"}'] == 3
    assert 0.004 < found['commandbus_command_waiting_seconds_sum{"domain": "test"}'] < 0.0056


def test_while_the_sampler_is_silent_no_old_number_is_told_as_the_present_one(scraper: Client) -> None:
    sampled(ago_s=60)
    text = scraper.get("/metrics").text
    found = values(text)
    assert "commandbus_queue_visible_messages{" not in text
    assert found['commandbus_commands_sent_total{"domain": "test"}'] == 1001  # still true, and never back
    assert found["commandbus_sampler_age_seconds"] >= 60
    assert found['commandbus_workers{"domain": "test"}'] == 0


def test_before_the_first_sample_it_says_what_there_is(scraper: Client) -> None:
    response = scraper.get("/metrics")
    assert response.status_code == 200
    assert "# TYPE commandbus_commands_sent_total counter" in response.text
    assert "commandbus_sampler_age_seconds " not in re.sub("#.*", "", response.text)
    assert values(response.text)['commandbus_workers{"domain": "test"}'] == 0


def test_it_says_live_workers_without_a_sampler(scraper: Client) -> None:
    for pid, stopped in ((1, None), (2, timezone.now())):
        execute(
            "INSERT INTO e2e_worker (worker_id, host, pid, engine, queue_name, settings_version, concurrency,"
            " stopped_at) VALUES (gen_random_uuid(), 'h', %s, 'native', 'test__commands', 1, 4, %s)",
            pid,
            stopped,
        )
    assert values(scraper.get("/metrics").text)['commandbus_workers{"domain": "test"}'] == 1


def test_openmetrics_for_whom_asks_for_it(scraper: Client) -> None:
    sampled(oldest_s=None)
    response = scraper.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name for family in openmetrics.text_string_to_metric_families(response.text)}  # type: ignore[no-untyped-call]
    assert {"commandbus_commands_sent", "commandbus_build", "commandbus_command_waiting_seconds"} <= families


def read(plan: dict[str, Any]) -> float:
    """How many rows the steps of a plan that was performed looked at."""
    below = sum(read(step) for step in plan.get("Plans", []))
    looked = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return float(below + looked * plan["Actual Loops"])


@pytest.mark.parametrize("ago_s", [1, 60])
def test_it_takes_two_statements_that_read_a_few_rows_however_long_the_history(
    ago_s: float, scraper: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sampled(ago_s=ago_s)
    execute(
        f"INSERT INTO e2e_sample {COLUMNS} SELECT 'test', 1, clock_timestamp() - make_interval(secs => n + 60), 1,"
        " NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(1, 20000) n"
    )
    execute("INSERT INTO e2e_database_sample SELECT 10, at - interval '1 h', 1, 1, 1 FROM e2e_sample")
    scraper.get("/metrics")  # what PGMQ it is, is asked once
    with django_assert_num_queries(2) as asked:
        assert scraper.get("/metrics").status_code == 200
    for query in asked.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql'].rpartition('true); ')[2]}")
            (((explained,),),) = cursor.fetchall()
        assert read(explained["Plan"]) < 50


@pytest.mark.parametrize(("address", "status"), [(HERE, 200), ("::ffff:192.0.2.9", 200), ("198.51.100.1", 403)])
def test_without_a_token_the_network_decides(address: str, status: int) -> None:
    assert Client(REMOTE_ADDR=address).get("/metrics").status_code == status


@pytest.mark.parametrize(
    ("told", "status"),
    [(f"198.51.100.1, {HERE}", 200), (f"{HERE}, 198.51.100.1", 403), (None, 403)],
)
def test_behind_a_proxy_whom_it_names_decides(told: str | None, status: int, settings: Settings) -> None:
    settings.PROXIES = 1
    headers = {"X-Forwarded-For": told} if told else {}
    assert Client(REMOTE_ADDR=HERE).get("/metrics", headers=headers).status_code == status


def test_by_default_nobody_reads_it_on_a_database_of_ones_own(settings: Settings) -> None:
    from e2e_site import settings as made  # noqa: PLC0415 — what the environment of the tests, which names one, made

    assert made.METRICS_NETWORKS == []
    settings.METRICS_NETWORKS = made.METRICS_NETWORKS
    refused = Client(REMOTE_ADDR="127.0.0.1").get("/metrics")
    assert (refused.status_code, "METRICS_NETWORKS" in refused.text) == (403, True)


def test_any_good_token_reads_and_a_bad_one_is_refused_wherever_it_comes_from() -> None:
    user = User.objects.create_user("ada")
    token = token_of(user)
    elsewhere = Client(REMOTE_ADDR="198.51.100.1")

    def status(client: Client, scheme: str, word: str) -> int:
        return client.get("/metrics", headers={"Authorization": f"{scheme} {word}"}).status_code

    assert status(elsewhere, "Bearer", token) == status(elsewhere, "bearer", token) == 200
    assert status(Client(REMOTE_ADDR=HERE), "Bearer", f"{token}x") == 401
    assert status(elsewhere, "Basic", token) == 403
    user.is_active = False
    user.save()
    assert status(elsewhere, "Bearer", token) == 401


def test_a_session_is_no_way_to_read_it(admin_client: Client) -> None:
    assert admin_client.get("/metrics", REMOTE_ADDR="198.51.100.1").status_code == 403


def test_it_changes_nothing_and_is_not_cached(scraper: Client) -> None:
    assert scraper.post("/metrics").status_code == 405
    assert scraper.get("/metrics")["Cache-Control"] == "private, no-store"


@pytest.mark.django_db(transaction=True)
def test_without_a_database_it_says_so_in_a_line(
    django_uses: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    django_uses(NOWHERE)
    response = Client(REMOTE_ADDR=HERE, raise_request_exception=False).get("/metrics")
    assert (response.status_code, response.text) == (503, "The database does not answer\n")


def test_what_the_rules_and_the_dashboard_name_is_there(scraper: Client) -> None:
    sampled()
    page = scraper.get("/metrics").text
    there = {s.name for family in parser.text_string_to_metric_families(page) for s in family.samples}
    monitoring = CHECKOUT / "docs" / "monitoring"
    for file in (monitoring / "alerts.yml", monitoring / "grafana-dashboard.json"):
        named = set(re.findall(r"\bcommandbus_\w+", file.read_text()))
        assert named
        assert named <= there
    documented = set(re.findall(r"`(commandbus_\w+)[`{]", (CHECKOUT / "docs" / "monitoring.md").read_text()))
    assert documented == {re.sub("_(bucket|sum|count)$", "", name) for name in there}
