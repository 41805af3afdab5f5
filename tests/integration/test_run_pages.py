"""The pages of runs: the list, a run in each of its states, starting one, canceling it, and two side by side."""

import re
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from bench.models import BenchRun
from bench.runs.page import PAGE_SIZE
from bench.runs.variants import shipped
from bench.scenarios.model import RunVerdict
from e2e_site.read_only import ReadOnlyError
from tests.support.api import user_with
from tests.support.bench_runs import add_bench_run, document

pytestmark = pytest.mark.django_db

START = "bench.add_benchrun"
OWN = "scenario: mine\nabout: Nothing much.\ncommands: 5\nmix: {success: 1}\n"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(user_with(START))
    return client


def run(*args: Any, **columns: Any) -> int:
    connection.ensure_connection()
    return add_bench_run(connection.connection, *args, **columns)


def text(html: str) -> str:
    """What a person reads of it."""
    return " ".join(
        re.sub(r"<(title|desc)\b.*?</\1>|<[^>]*>", " ", re.sub(r"</?bdi>", "", html), flags=re.DOTALL).split()
    )


def page(address: str, client: Client | None = None) -> str:
    response = (client or Client()).get(address)
    assert response.status_code == 200, response.status_code
    return response.text


# -- the list --------------------------------------------------------------------------------------------------------


def test_without_a_run_the_list_says_what_one_is_and_how_to_start_it() -> None:
    html = page("/runs/")
    assert "breaks what the scenario says, and compares what became of each command with what had to" in text(html)
    assert "manage.py bench run smoke" in text(html)
    assert 'href="/runs/new/"' in html


def test_the_list_shows_runs_with_their_verdicts_newest_first() -> None:
    ids = [
        run(),
        run(document(verdict=RunVerdict.FAIL, why="1 command is lost.")),
        run(document(verdict=RunVerdict.FAIL, expected_verdict="FAIL")),
        run(document(verdict=RunVerdict.UNKNOWN)),
        run(state="canceled", why="It was canceled by bob.", asked_by="ada"),
        run(state="broken", why="<no> place"),
        run(state="running", phase="sending", done=120),
        run(state="waiting", pid=None),
    ]
    html = page("/runs/")
    assert re.findall(r'id="run-(\d+)"', html) == [str(number) for number in reversed(ids)]
    found = [text(row) for row in re.findall(r'<tr id="run-.*?</tr>', html, re.DOTALL)]
    states = ["Waiting", "Running", "Could not run", "Canceled", "Unknown", "Failed, as expected", "Failed", "Passed"]
    for row, state in zip(found, states, strict=True):
        assert row.startswith("Run")
        assert state in row
    assert "1 before it" in found[0]
    assert "sending, 120 of 300" in found[1]
    assert "&lt;no&gt; place" in html
    assert "ada" in found[3]
    assert "Passed smoke native 1 All 300 came to what they had to. 9 s command line" in found[-1]


def test_a_run_that_waits_for_nobody_is_told_so_and_the_list_stays_live() -> None:
    run()
    assert 'id="unserved"' not in page("/runs/")
    assert "data-live-final" in page("/runs/")
    run(state="waiting", pid=None)
    html = page("/runs/")
    assert "No program works off what is asked for here. Start one: manage.py bench work" in text(html)
    assert "data-live-final" not in html


def test_the_list_is_filtered_and_paged() -> None:
    kills = [run(document(scenario="f01_kill")) for _ in range(PAGE_SIZE + 1)]
    failed = run(document(verdict=RunVerdict.FAIL))
    first = page("/runs/?scenario=f01_kill")
    assert re.findall(r'id="run-(\d+)"', first) == [str(number) for number in reversed(kills[1:])]
    more = f"?scenario=f01_kill&amp;before={kills[1]}"
    assert more in first
    assert re.findall(r'id="run-(\d+)"', page(f"/runs/{more.replace('&amp;', '&')}")) == [str(kills[0])]
    assert re.findall(r'id="run-(\d+)"', page("/runs/?verdict=FAIL")) == [str(failed)]
    assert "No run is like that" in page("/runs/?verdict=UNKNOWN")
    assert "No run is older" in page(f"/runs/?before={kills[0]}")


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "²", "9" * 30])
def test_a_place_that_is_none_is_not_found(before: str) -> None:
    assert Client().get("/runs/", {"before": before}).status_code == 404


def test_the_number_of_queries_does_not_depend_on_runs(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(3):
        number = run()
        for address, most in (("/runs/", 2), ("/runs/live/", 1), (f"/runs/{number}/", 3)):
            with django_assert_num_queries(most):
                Client().get(address)


# -- a run -----------------------------------------------------------------------------------------------------------


def test_a_run_that_ended_shows_its_report_and_the_command_that_makes_it_again() -> None:
    before = run()
    number = run()
    html = page(f"/runs/{number}/")
    assert "data-live-final" in html
    assert "All 300 came to what they had to." in text(html)
    assert "manage.py bench run smoke --seed 1" in text(html)
    assert f'href="/runs/compare/?a={before}&amp;b={number}"' in html
    for kind in ("html", "junit", "md", "json"):
        assert f"/api/v1/runs/{number}/report.{kind}" in html


def test_one_that_waits_says_how_many_are_before_it_and_is_live() -> None:
    run(state="running")
    number = run(state="waiting", pid=None)
    html = page(f"/runs/{number}/")
    assert f'hx-get="/runs/{number}/live/"' in html
    assert "data-live-final" not in html
    assert "1 run before it." in text(html)
    assert "/cancel/" not in html, "an anonymous visitor only reads"


def test_one_that_runs_shows_phase_and_progress(operator: Client) -> None:
    number = run(state="running", phase="draining", done=250)
    html = page(f"/runs/{number}/", operator)
    assert re.search(r'<progress [^>]*max="300" value="250"', html)
    assert "Draining, 250 of 300 commands sent" in text(html)
    assert f'action="/runs/{number}/cancel/"' in html
    fragment = page(f"/runs/{number}/live/", operator)
    assert "Draining, 250 of 300 commands sent" in text(fragment)
    assert "<html" not in fragment


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"state": "broken", "why": "There is no place to work in."}, "There is no place to work in."),
        ({"state": "canceled", "why": "It was canceled by bob."}, "It was canceled by bob."),
        ({"state": "lost", "why": "Its process died."}, "Its process died."),
        ({"document": '{"format": 9}', "why": "Fine."}, "in a format that this version does not read"),
    ],
    ids=["broken", "canceled", "lost", "another format"],
)
def test_one_without_a_report_says_why(columns: dict[str, Any], said: str) -> None:
    html = page(f"/runs/{run(**columns)}/")
    assert said in text(html)
    assert "data-live-final" in html


def test_one_whose_process_gives_no_sign_of_life_is_not_shown_as_running(operator: Client) -> None:
    number = run(state="running")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE bench_run SET beat_at = clock_timestamp() - interval '21 s'")
    html = page(f"/runs/{number}/", operator)
    assert "gave no sign of life for longer than 20 s" in text(html)
    assert "data-live-final" in html
    assert "/cancel/" not in html


@pytest.mark.parametrize("number", [7, 2**63 - 1, 2**63, 10**30])
def test_a_run_that_is_not_there_is_not_found(number: int) -> None:
    for address in (f"/runs/{number}/", f"/runs/{number}/live/", f"/runs/compare/?a={number}&b=1"):
        assert Client().get(address).status_code == 404


# -- starting, canceling ---------------------------------------------------------------------------------------------


def test_who_may_not_start_runs_is_offered_none_and_refused() -> None:
    number = run()
    client = Client()
    client.force_login(user_with(name="eve"))
    assert "/runs/new/" not in page("/runs/", client)
    assert "Run again" not in page(f"/runs/{number}/", client)
    for address in ("/runs/new/", f"/runs/{number}/again/", f"/runs/{number}/cancel/"):
        assert client.post(address, {"scenario": "smoke"}).status_code == 403
        assert Client().post(address).status_code == 302, "to the login"
    assert Client(enforce_csrf_checks=True).post("/runs/new/").status_code == 403
    assert BenchRun.objects.count() == 1


def test_a_shipped_scenario_is_started_with_a_seed_and_an_engine(operator: Client) -> None:
    html = page("/runs/new/?scenario=f01_kill", operator)
    assert 'value="f01_kill" id="scenario-f01_kill" checked' in html
    assert shipped()["f01_kill"].about in text(html)
    answer = operator.post("/runs/new/", {"scenario": "f01_kill", "seed": "99", "engine": "library"})
    made = BenchRun.objects.get()
    assert answer.url == f"/runs/{made.run_id}/"  # type: ignore[attr-defined]
    assert (made.state, made.scenario, made.seed, made.engines) == ("waiting", "f01_kill", 99, "library")
    assert (made.asked_by, made.pid, made.total) == ("ada", None, 1050)
    assert made.source["expect"]["oracle"] == "as_built"


def test_a_scenario_of_ones_own_is_started_or_every_problem_told_with_its_line(operator: Client) -> None:
    answer = operator.post("/runs/new/", {"text": OWN + "sed: 1\nbus: {max_attempts: 0}\n"})
    assert answer.status_code == 400
    assert "line 5: sed: " in text(answer.text)
    assert "line 6: bus.max_attempts: " in text(answer.text)
    assert "sed: 1" in answer.text, "what was typed stays"
    assert operator.post("/runs/new/", {"text": OWN}).status_code == 302
    assert BenchRun.objects.get().scenario == "mine"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Choose a scenario, or write one."),
        ({"scenario": "smok"}, "Select a valid choice"),
        ({"scenario": "smoke", "seed": "-1"}, "seed must be a whole number from 0"),
        ({"scenario": "smoke", "seed": "9" * 30}, "seed must be a whole number from 0"),
        ({"scenario": "smoke", "engine": "set"}, "Select a valid choice"),
        ({"text": "[" * 5000}, "line 1: "),
        ({"text": OWN + "place: site\nworkers: [{count: 0}]\n"}, "you need the permission commands.add_testcommand"),
        ({"text": OWN + "workers: [{handlers: os}]\n"}, "on the command line only"),
    ],
)
def test_what_cannot_be_run_is_refused_in_words(fields: dict[str, str], said: str, operator: Client) -> None:
    answer = operator.post("/runs/new/", fields)
    assert answer.status_code == 400
    assert said in text(answer.text)
    assert not BenchRun.objects.exists()


def test_a_run_is_made_again_or_changed_first(operator: Client) -> None:
    number = run(document(seed=5))
    html = page(f"/runs/new/?like={number}", operator)
    typed = re.search(r"<textarea.*?>\n?(.*?)</textarea>", html, re.DOTALL)
    assert typed
    source = yaml.safe_load(typed[1].replace("&#x27;", "'").replace("&quot;", '"'))
    assert source == BenchRun.objects.get().source
    operator.post(f"/runs/{number}/again/")
    made = BenchRun.objects.newest_first()[0]
    assert (made.state, made.seed, made.scenario) == ("waiting", 5, "smoke")


def test_a_scenario_that_this_version_does_not_take_any_more_is_shown_and_not_run_again(operator: Client) -> None:
    number = run(source='{"scenario": "old", "about": "Of an older version.", "speed": "warp"}', state="lost")
    html = page(f"/runs/{number}/", operator)
    assert "Of an older version." in text(html)
    assert 'id="again"' not in html
    assert 'value="smoke" id="scenario-smoke" checked' in page(f"/runs/new/?like={number}", operator)
    said = operator.post(f"/runs/{number}/again/", follow=True).text
    assert "This version does not take its scenario any more." in said
    assert BenchRun.objects.count() == 1


def test_canceling_is_told_and_one_that_is_over_stays_as_it_is(operator: Client) -> None:
    number = run(state="waiting", pid=None)
    said = operator.post(f"/runs/{number}/cancel/", follow=True).text
    assert f"Run {number} is canceled" in said
    assert BenchRun.objects.get().canceled_by == "ada"
    assert "was over already" in operator.post(f"/runs/{number}/cancel/", follow=True).text


# -- two side by side ------------------------------------------------------------------------------------------------


def test_two_runs_side_by_side() -> None:
    for p99 in (10.0, 20.0, 30.0):
        a = run(document(p99=p99))
    b = run(document(verdict=RunVerdict.FAIL, seed=9, p99=60.0, completed=290, broken=("V05",)))
    html = page(f"/runs/compare/?a={a}&b={b}")
    read = text(html)
    assert "seed 1 9" in read
    assert "verdict PASS FAIL" in read
    assert "success 300 COMPLETED 290 COMPLETED" in read
    assert "End to end, p99 ms 30 20 (10 to 30, 3 runs) 60 +100 %" in read
    assert "On the same machine, with the same versions." in read
    assert f'href="?a={b}&amp;b={a}"' in html


def test_without_two_reports_nothing_is_compared() -> None:
    a, b = run(), run(state="canceled")
    assert f"Without a report there is nothing to compare: run {b}." in text(page(f"/runs/compare/?a={a}&b={b}"))
    assert "The numbers of two runs that have ended." in text(page("/runs/compare/"))


# -- model and admin -------------------------------------------------------------------------------------------------


def test_the_model_writes_nothing_and_the_admin_is_for_looking() -> None:
    number = run()
    made = BenchRun.objects.get()
    for write in (made.save, made.delete, BenchRun.objects.all().delete):
        with pytest.raises(ReadOnlyError, match="writes its own runs"):
            write()
    user = User.objects.create(username="eve", is_staff=True)
    client = Client()
    client.force_login(user)
    assert client.get(f"/admin/bench/benchrun/{number}/change/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_benchrun"))
    assert "1" in page("/admin/bench/benchrun/", client)
    html = page(f"/admin/bench/benchrun/{number}/change/", client)
    assert f"/runs/{number}/" in html
    assert 'name="_save"' not in html
