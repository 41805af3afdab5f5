"""The pages of load tests: the list, a run in each of its states, and what they cost."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from bench.loadtest.page import PAGE_SIZE
from bench.loadtest.pictures import POINTS
from bench.models import LoadRun, LoadSample
from e2e_site.read_only import ReadOnlyError
from tests.support.load_runs import LATENCY, add_run, document, plan

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


def run(*, samples: int = 0, **columns: Any) -> int:
    connection.ensure_connection()
    return add_run(connection.connection, samples=samples, **columns)


def change(run_id: int, assignments: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE load_run SET {assignments} WHERE run_id = %s", [run_id])


def text(html: str) -> str:
    """What a person reads of it."""
    return " ".join(
        re.sub(r"<(title|desc)\b.*?</\1>|<[^>]*>", " ", re.sub(r"</?bdi>", "", html), flags=re.DOTALL).split()
    )


def page(run_id: int) -> str:
    return Client().get(f"/loadtests/{run_id}/").text


# -- the list --------------------------------------------------------------------------------------------------------


def test_without_a_run_the_list_says_what_to_type() -> None:
    read = text(Client().get("/loadtests/").text)
    assert "No load test was ever run" in read
    assert "manage.py loadtest --commands 10000 --workers 4" in read


def test_the_list_shows_runs_with_their_states_and_figures_newest_first() -> None:
    ids = [
        run(),
        run(as_expected=False),
        run(state="interrupted", as_expected=False),
        run(state="failed", as_expected=None, summary=None),
        run(state="lost", as_expected=None, summary=None),
        run(state="running", phase="sending", completed=300, parked=0),
    ]
    silent = run(state="running", phase="sending")
    change(silent, "beat_at = clock_timestamp() - interval '1 min'")
    html = Client().get("/loadtests/").text
    assert re.findall(r'id="run-(\d+)"', html) == [str(run_id) for run_id in [silent, *reversed(ids)]]
    rows = [text(row) for row in re.findall(r'<tr id="run-.*?</tr>', html, re.DOTALL)]
    states = ["Lost: its process died", "Running", "Lost: its process died", "Failed", "Interrupted", "Not as expected"]
    for row, state in zip(rows, [*states, "As expected"], strict=True):
        assert state in row
    assert "300 of 1,000" in rows[1]
    assert "1,000 all at once success 90, fail_permanent 10 2 500 1.5 s" in rows[-1]


def test_the_list_is_paged_by_run_numbers() -> None:
    ids = [run() for _ in range(PAGE_SIZE + 2)]
    first = Client().get("/loadtests/").text
    assert re.findall(r'id="run-(\d+)"', first) == [str(run_id) for run_id in reversed(ids[2:])]
    assert f'href="?before={ids[2]}"' in first
    second = Client().get(f"/loadtests/?before={ids[2]}").text
    assert re.findall(r'id="run-(\d+)"', second) == [str(ids[1]), str(ids[0])]
    assert "Older" not in second
    assert "No run is older" in Client().get(f"/loadtests/?before={ids[0]}").text


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "²", "9" * 30])
def test_a_place_that_is_none_is_not_found(before: str) -> None:
    assert Client().get("/loadtests/", {"before": before}).status_code == 404


# -- a run -----------------------------------------------------------------------------------------------------------


def test_a_run_that_ended_shows_verdict_figures_and_what_was_expected_of_each_behavior() -> None:
    read = text(page(run(samples=5)))
    for shown in (
        "As expected",
        "Every command ended as its behavior says.",
        "Processed 500 /s",
        "Latency, p99 1.5 s",
        "WAL/command 2,000 bytes",
        "Transactions/command 0.050",
        "1,000 = 900 completed + 100 in TSQ + 0 left + 0 lost",
        "fail_permanent 100 In TSQ attempts 1 100 In TSQ attempts 1 0",
        "Sending to the end 1,000 12 ms 80 ms 1.5 s 2.1 s",
        "each with concurrency 4 (setting) and batches of 10 (setting)",
        "manage.py loadtest --commands 1000 --workers 2 --mix success=90,fail_permanent=10",
    ):
        assert shown in read
    assert "Generator-limited" not in read


def test_a_deviation_is_shown_where_it_is() -> None:
    outcomes = [["success", "COMPLETED", False, 1, 900], ["fail_permanent", "COMPLETED", False, 2, 100]]
    summary = json.dumps(document(plan(), outcomes=outcomes))
    read = text(page(run(as_expected=False, verdict="100 of 1,000 commands ended otherwise.", summary=summary)))
    assert "Not as expected" in read
    assert "100 of 1,000 commands ended otherwise." in read
    assert "fail_permanent 100 In TSQ attempts 1 100 Completed attempts 2 100" in read


def test_a_schedule_that_was_not_kept_is_a_warning() -> None:
    late = {"end_to_end": LATENCY, "send_delay": {**LATENCY, "p99": 90.0}}
    summary = json.dumps(document(plan(rate="100"), latency=late))
    read = text(page(run(options=json.dumps(plan(rate="100").to_json()), summary=summary)))
    assert "Generator-limited: the sender did not keep its schedule" in read
    assert "1,000, 100 a second" in read
    assert "Due to sent 1,000" in read


def test_a_worker_that_had_something_to_say_is_quoted() -> None:
    workers = [
        {"pid": 11, "exit_code": 0, "said": []},
        {"pid": 12, "exit_code": -9, "said": ["database lost <again>"]},
    ]
    read = page(run(summary=json.dumps({**document(plan()), "workers": workers})))
    assert "Process 11" not in text(read)
    assert "Process 12 exit code -9 database lost &lt;again&gt;" in text(read)


def test_a_running_one_is_live_and_shows_how_far_it_is() -> None:
    run_id = run(samples=3, state="running", phase="sending", completed=250, parked=50)
    html = page(run_id)
    assert f'hx-get="/loadtests/{run_id}/live/"' in html
    assert "data-live-final" not in html
    assert re.search(r'<progress [^>]*max="1000" value="300"', html)
    read = text(html)
    assert "Running Started" in read
    assert ": sending" in read
    assert "Ends per second 80" in read
    fragment = Client().get(f"/loadtests/{run_id}/live/").text
    assert text(fragment) in read
    assert "<html" not in fragment


def test_a_run_whose_process_gives_no_sign_of_life_is_not_shown_as_running() -> None:
    run_id = run(samples=3, state="running", phase="sending")
    change(run_id, "beat_at = clock_timestamp() - interval '19 s'")
    assert "data-live-final" not in page(run_id)
    change(run_id, "beat_at = clock_timestamp() - interval '21 s'")
    html = page(run_id)
    assert "data-live-final" in html
    assert "Lost: its process died" in text(html)
    assert "gave no sign of life for longer than 20 s" in text(html)


@pytest.mark.parametrize("state", ["finished", "interrupted", "failed", "lost"])
def test_a_run_that_ended_is_asked_for_no_more(state: str) -> None:
    assert "data-live-final" in page(run(state=state))


def test_a_run_before_its_first_sample_has_no_chart_and_one_with_samples_three_with_a_table() -> None:
    assert "<figure" not in page(run(state="running", phase="preparing", sent=0, received=0, completed=0, parked=0))
    html = page(run(samples=4))
    assert html.count("<figure") == 3
    assert re.findall(r'aria-labelledby="(\w+)-title \1-description"', html) == ["rates", "latency", "queue"]
    table = html[html.index('<details class="card" id="points"') :]
    assert "4.0 100 90 80 40 40 4 ms 8 ms 12 ms" in text(table)


def test_a_gap_in_the_latencies_is_a_gap_in_the_table() -> None:
    run_id = run(samples=2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE load_sample SET p50_ms = NULL, p95_ms = NULL, p99_ms = NULL WHERE number = 2")
    html = page(run_id)
    assert "2.0 100 90 80 20 20 – – –" in text(html[html.index('id="points"') :])  # noqa: RUF001  # as it is shown


@pytest.mark.parametrize("number", [7, 2**63 - 1, 2**63, 10**30])
def test_a_run_that_is_not_there_is_not_found(number: int) -> None:
    for address in (f"/loadtests/{number}/", f"/loadtests/{number}/live/"):
        assert Client().get(address).status_code == 404


# -- what it costs ---------------------------------------------------------------------------------------------------


def test_of_many_samples_the_charts_show_a_bounded_number_the_highest_of_each_few() -> None:
    run_id = run(samples=1000)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE load_sample SET p99_ms = 99999 WHERE run_id = %s AND number = 500", [run_id])
    points = LoadSample.objects.points(run_id, POINTS)
    assert POINTS / 2 < len(points) <= POINTS
    assert [points[-1][name] for name in ("at_s", "sent", "ended")] == [1000, 100_000, 80_000]
    assert max(point["p99_ms"] for point in points) == 99_999


def test_the_number_of_queries_does_not_depend_on_runs_and_samples(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for samples in (1, 500):
        run_id = run(samples=samples)
        # A whole page asks also whether the queue is paused.
        for address, queries in (("/loadtests/", 2), (f"/loadtests/{run_id}/", 4), (f"/loadtests/{run_id}/live/", 3)):
            with django_assert_num_queries(queries):
                Client().get(address)


def test_the_list_reads_no_more_rows_when_there_are_more() -> None:
    for _ in range(3 * PAGE_SIZE):
        run()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE load_run")
    explained = LoadRun.objects.for_list().newest_first()[: PAGE_SIZE + 1].explain(analyze=True, timing=False)
    assert re.search(rf"Index Scan Backward using load_run_pkey.*actual rows={PAGE_SIZE + 1}(\.00)? ", explained)


# -- models and admin ------------------------------------------------------------------------------------------------


def test_the_models_write_nothing_but_a_run_may_be_deleted() -> None:
    row = LoadRun.objects.get(run_id=run(samples=3))
    for write in (row.save, LoadRun.objects.all().delete, LoadSample.objects.all().delete, LoadSample(run=row).save):
        with pytest.raises(ReadOnlyError, match=r"`manage\.py loadtest` writes"):
            write()
    assert str(row) == f"Load test {row.run_id}"
    row.delete()
    assert not LoadRun.objects.exists()
    assert not LoadSample.objects.exists()


def test_in_the_admin_runs_are_for_looking_and_deleted_by_who_may() -> None:
    run_id = run(samples=2)
    user = User.objects.create(username="ada", is_staff=True)
    client = Client()
    client.force_login(user)
    address, delete = (f"/admin/bench/loadrun/{run_id}/{action}/" for action in ("change", "delete"))
    assert client.get(address).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_loadrun"))
    assert client.get("/admin/bench/loadrun/").status_code == 200
    html = client.get(address).text
    assert 'name="verdict"' not in html
    assert client.post(delete, {"post": "yes"}).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="delete_loadrun"))
    assert client.post(delete, {"post": "yes"}).status_code == 302
    assert not LoadRun.objects.exists()
    assert client.get("/admin/bench/loadrun/add/").status_code == 403
