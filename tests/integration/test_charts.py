"""The dashboard's charts: what they show of samples, where their columns lead, and what they cost."""

import gzip
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from commands.bus.operations import Mix, send_many
from commands.pages import charts
from commands.reads import columns, marks
from commands.reads.marks import MarkKind
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.chart_ranges import RANGES
from commands.rules.grid import Grid, floor
from settings_app.pause import set_paused
from tests.integration.test_pages import ask, begin, finish, send, text, worker
from tests.support.samples import add_history, add_sample, sampled

pytestmark = pytest.mark.django_db

TITLES = r'<a href="([^"]*)"( class="chart-slot-open")?[^>]*><title>([^<]*)</title>'


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def now() -> datetime:
    found: datetime = ask("SELECT clock_timestamp()")
    return found.astimezone(UTC)


def drawn(address: str = "/charts/live/") -> str:
    response = Client().get(address)
    assert response.status_code == 200
    return response.text


def told(page: str, chart: str) -> list[tuple[str, bool, str]]:
    """Of each column of a chart: where it leads, whether it is open, what it is told with."""
    svg = page.partition(f'id="chart-{chart}-title"')[2].partition("</svg>")[0]
    return [(unescape(href), bool(is_open), title) for href, is_open, title in re.findall(TITLES, svg)]


def column(page: str, chart: str, at: datetime) -> tuple[str, str]:
    """Of the column of 10 s that begins then: where it leads, and what it is told with."""
    ((href, title),) = [(href, title) for href, _, title in told(page, chart) if title.startswith(f"{at:%H:%M:%S} to ")]
    return href, title


CHARTS = ("throughput", "queue", "waiting", "running", "parked")


# -- what is seen ----------------------------------------------------------------------------------------------------


def test_before_the_first_sample_it_says_what_to_start() -> None:
    page = text(drawn())
    assert "Nothing has been sampled yet." in page
    assert "manage.py runworker" in page
    assert "manage.py sampler" in page


def test_a_silent_sampler_is_told_with_the_time_since_when_the_numbers_stand() -> None:
    at = now()
    sampled(at)
    assert "No one samples" not in drawn()
    sampled(at - timedelta(minutes=3))
    assert f"these numbers stand since {at - timedelta(minutes=3):%H:%M:%S}" in text(drawn())


def test_columns_and_table_say_what_was_counted() -> None:
    at = floor(now(), 10) - timedelta(seconds=20)
    sampled(now())
    counts = {"sent": 1200, "received": 9, "completed": 7, "retried": 6, "parked": 5, "failed": 4, "canceled": 3}
    waiting, running = [0] * 40 + [99, 1], [0] * 20 + [100]
    add_sample(at, **counts, late=2, visible=11, in_flight=12, delayed=13, tsq=14, waiting=waiting, running=running)
    page = drawn()
    titles = {chart: column(page, chart, at)[1] for chart in CHARTS}
    when = f"{at:%H:%M:%S} to {at + timedelta(seconds=10):%H:%M:%S}"
    assert titles == {
        "throughput": f"{when}: 1,200 sent, 7 completed, 6 retried, 5 parked, 4 failed, 3 canceled, 2 late",
        "queue": f"{when}: 11 visible, 12 in flight, 13 delayed",
        "waiting": f"{when}: p50 1.02 s, p95 1.02 s, p99 1.02 s of 100 measured",
        "running": f"{when}: p50 32 ms, p95 32 ms, p99 32 ms of 100 measured",
        "parked": f"{when}: 14 in the queue, 5 newly parked",
    }
    assert told(page, "throughput")[0][2].endswith(": no one sampled")
    assert f"{when} 1,200 9 7 6 5 4 3 2 11 12 13 14 0 1.02 s 1.02 s 1.02 s 32 ms 32 ms 32 ms" in text(page)


def test_the_newest_column_is_open_and_its_value_a_dot_apart() -> None:
    sampled(now())
    newest = floor(now(), 7200)
    add_sample(newest - timedelta(hours=2), 3600, sent=5)
    add_sample(floor(now(), 1), 1, sent=7)
    page = drawn("/charts/live/?range=7d")
    found = told(page, "throughput")
    assert [is_open for _, is_open, _ in found] == [False] * 83 + [True]
    assert found[-2][2].endswith("5 sent")
    assert found[-1][2].endswith("7 sent, not over yet")
    assert "chart-dot" in page.partition('id="chart-throughput-title"')[2].partition("</svg>")[0]


def test_after_a_gap_a_column_says_how_long_its_counts_took() -> None:
    sampled(now())
    at = floor(now(), 10) - timedelta(seconds=20)
    add_sample(at, seconds=125.0, sent=5)
    assert column(drawn(), "throughput", at)[1].endswith("5 sent, in 2 min 5 s: nothing was counted just before")


@pytest.mark.parametrize("name", RANGES)
def test_each_range_is_made_of_stored_samples_without_a_hole_and_nothing_twice(name: str) -> None:
    at = floor(now(), 10) - timedelta(seconds=3.5)  # of a column that has just begun no second is over
    add_history(at, sent=3)
    grid = Grid.up_to(at, RANGES[name].length)
    found = columns.read(grid)
    assert 60 <= len(found) <= 100
    sums = [column.sum for column in found]
    assert all(sums)
    assert {seen.sent for seen in sums[:-1] if seen} == {3 * grid.width_s}
    last = sums[-1]
    assert last is not None
    assert last.sent == 3 * int((floor(at, 1) - found[-1].at).total_seconds())


# -- ways on ---------------------------------------------------------------------------------------------------------


def test_each_column_leads_to_the_list_that_answers() -> None:
    first, second = send(type="fail_permanent"), send()
    attempts = begin()
    finish(attempts[first], "permanent")
    finish(attempts[second])
    sampled(now())
    at = floor(now(), 10) - timedelta(seconds=20)
    add_sample(at, sent=2, parked=1, completed=1)
    page = drawn()
    links = {chart: column(page, chart, at)[0] for chart in CHARTS}
    span = f"from={at:%Y-%m-%dT%H:%M:%S}&to={at + timedelta(seconds=10):%Y-%m-%dT%H:%M:%S}"
    assert links["throughput"] == f"/audit/?{span}"
    assert links["queue"] == f"/commands/?{span}"
    assert links["parked"] == f"/tsq/?{span}"
    ask("UPDATE commandbus.audit SET ts = %s", at + timedelta(seconds=1))
    ask("UPDATE commandbus.command SET created_at = %s", at + timedelta(seconds=1))
    ask("UPDATE commandbus.parked SET parked_at = %s", at + timedelta(seconds=1))
    behind = {chart: Client().get(link) for chart, link in links.items()}
    assert {response.status_code for response in behind.values()} == {200}
    for chart in CHARTS:
        assert str(first) in behind[chart].text, chart
    assert str(second) not in behind["parked"].text


@pytest.mark.django_db(transaction=True)
def test_columns_of_another_domain_lead_to_its_lists(orders: str) -> None:
    sampled(now())
    at = floor(now(), 10) - timedelta(seconds=20)
    add_sample(at, domain=orders, sent=4, tsq=1)
    page = drawn("/charts/live/?domain=orders")
    href, title = column(page, "throughput", at)
    assert href.endswith("&domain=orders")
    assert title.endswith("4 sent")
    assert "4 sent" not in drawn()
    assert 'href="/?domain=orders&amp;range=1h#charts"' in page
    assert Client().get("/charts/live/?domain=none").status_code == 404


def test_the_range_is_in_the_address_and_kept_by_refresh() -> None:
    sampled(now())
    page = Client().get("/?range=24h").text
    assert 'hx-get="/charts/live/?range=24h"' in page
    assert re.search(r'<a class="tab" href="/\?range=24h#charts" aria-current="page">24 h</a>', page)
    assert len(told(page, "throughput")) == 96
    assert 'hx-get="/charts/live/"' in Client().get("/").text


def test_a_range_that_there_is_not_is_refused_by_its_name() -> None:
    said = "range must be one of 15min, 1h, 24h, 7d, not &#x27;2h&#x27;."
    page = Client().get("/?range=2h")
    assert (page.status_code, said in page.text) == (400, True)
    assert 'hx-get="/charts/live/"' in page.text
    assert Client().get("/charts/live/?range=2h").status_code == 400


# -- marks -----------------------------------------------------------------------------------------------------------


def test_settings_workers_and_operations_are_marked() -> None:
    sampled(now())
    set_paused(True, user=User.objects.create(username="ann"))
    worker("<b>alpha", stopped=True)
    worker("beta", silence=60)
    mix = Mix(parts=[(Behavior(type=BehaviorType.SUCCESS), 1)], count=1000)
    number = send_many(mix, operator="ada")
    found = marks.read(now() - timedelta(minutes=5), now() + timedelta(seconds=1)).marks
    assert sorted((mark.kind, mark.text) for mark in found) == [
        (MarkKind.OPERATION, f"Operation {number}: Send 1,000 commands, by ada, began"),
        (MarkKind.SETTINGS, "Settings changed by ann: paused off → on"),
        (MarkKind.WORKER_CAME, "Worker <b>alpha:4711 started"),
        (MarkKind.WORKER_CAME, "Worker beta:4711 started"),
        (MarkKind.WORKER_WENT, "Worker <b>alpha:4711 stopped"),
        (MarkKind.WORKER_WENT, "Worker beta:4711 fell silent"),
    ]
    page = drawn()
    assert "Worker &lt;b&gt;alpha:4711 started" in page
    assert "<b>alpha" not in page
    assert f'href="/operations/{number}/"' in page
    assert page.count('class="chart-flag"') >= 5


def test_settings_that_sql_changed_are_marked_by_their_version() -> None:
    ask("UPDATE public.e2e_config SET concurrency = 9, updated_by = ''")
    version = ask("SELECT version FROM public.e2e_config")
    (mark,) = marks.read(now() - timedelta(minutes=5), now() + timedelta(seconds=1)).marks
    assert mark.text == f"Settings changed by SQL: version {version}"


def test_what_was_before_is_not_marked() -> None:
    worker("alpha", stopped=True)
    assert marks.read(now() + timedelta(seconds=1), now() + timedelta(minutes=5)).marks == []


# -- what it costs ---------------------------------------------------------------------------------------------------


def test_charts_are_drawn_once_for_all_viewers_and_left_out_of_the_fragment_of_every_2_seconds(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.SHARED_FOR_S = 60
    try:
        sampled(now())
        first = drawn()
        add_sample(floor(now(), 10), 1, sent=4)
        with django_assert_num_queries(1):  # which domains there are
            assert drawn() == first
    finally:
        for shared in charts._drawn.values():
            shared.forget()
    settings.SHARED_FOR_S = 0
    fragment = Client().get("/live/").text
    assert '<div id="charts" data-live="charts:tick"></div>' in fragment
    assert "<svg viewBox" not in fragment


def test_charts_are_sent_compressed_and_not_again() -> None:
    sampled(now())
    plain = Client().get("/charts/live/?range=7d")
    packed = Client().get("/charts/live/?range=7d", headers={"Accept-Encoding": "gzip, br"})
    assert packed["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed["Vary"]
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) * 4 < len(plain.content)
    assert "Content-Encoding" not in plain
    assert "Content-Encoding" not in Client().get("/charts/live/", headers={"Accept-Encoding": "gzip;q=0"})
    headers = {"Accept-Encoding": "gzip", "If-None-Match": packed["ETag"]}
    assert Client().get("/charts/live/?range=7d", headers=headers).status_code == 304
    add_sample(floor(now(), 3600), 60, sent=4)
    assert Client().get("/charts/live/?range=7d", headers=headers).status_code == 200


def test_a_column_that_is_rolled_up_while_it_is_open_is_read_from_finer_ones() -> None:
    at = now()
    grid = Grid.up_to(at, RANGES["7d"].length)
    hour = floor(at, 3600)
    add_sample(hour, 3600, sent=6)  # as new as its last minute
    add_sample(hour, 60, sent=6)
    add_sample(floor(at, 1), 1, sent=1)
    expected = 7 if floor(at - columns.SETTLED, 60) > hour else 1  # within the first minute its row is open too
    seen = columns.read(grid)[-1].sum
    assert seen is not None
    assert seen.sent == expected
