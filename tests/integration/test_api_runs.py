"""Runs by the API: started, followed, canceled, their reports read, two compared; and the shipped scenarios."""

import json
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from bench.models import BenchRun
from bench.runs.files import FORMATS
from bench.runs.variants import shipped
from bench.scenarios.model import RunVerdict
from tests.support.api import Api, refusal, token_of, user_with
from tests.support.bench_runs import add_bench_run, document

pytestmark = pytest.mark.django_db

START = "bench.add_benchrun"
OWN = {"scenario": "mine", "about": "Nothing much.", "commands": 5, "mix": {"success": 1.5}}


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def api() -> Api:
    return Api(token=token_of(user_with(START), START))


def run(*args: Any, **columns: Any) -> int:
    connection.ensure_connection()
    return add_bench_run(connection.connection, *args, **columns)


def problems(response: Any) -> dict[str, str]:
    return {error["field"]: error["message"] for error in refusal(response, 422)["errors"]}


# -- starting --------------------------------------------------------------------------------------------------------


def test_a_shipped_scenario_is_started_and_waits(api: Api) -> None:
    answer = api.post("/runs", {"scenario": "f01_kill", "seed": 99, "engine": "library"})
    assert answer.status_code == 201
    made = answer.json()
    assert answer["Location"] == made["links"]["self"] == f"/api/v1/runs/{made['id']}"
    assert (made["state"], made["scenario"], made["seed"], made["engines"]) == ("waiting", "f01_kill", 99, ["library"])
    assert (made["asked_by"], made["total"], made["document"]) == ("ada", 1050, None)
    assert made["command"] == "manage.py bench run f01_kill --seed 99 --engine library"
    assert api.get(answer["Location"].removeprefix("/api/v1")).json() == made


def test_a_scenario_of_ones_own_is_started(api: Api) -> None:
    made = api.post("/runs", {"scenario": OWN}).json()
    assert made["source"]["mix"] == {"success": 1.5}
    assert made["command"] == f"manage.py bench replay {made['id']}"


def test_a_text_that_cannot_be_stored_is_refused(api: Api) -> None:
    assert problems(api.post("/runs", {"scenario": {**OWN, "about": "NUL \0"}})).keys() == {"scenario.about"}


def test_every_problem_is_told_at_once(api: Api) -> None:
    wrong = {**OWN, "sed": 1, "bus": {"max_attempts": 0}, "workers": [{"count": 99}]}
    found = problems(api.post("/runs", {"scenario": wrong}))
    assert found.keys() >= {"scenario.sed", "scenario.bus.max_attempts", "scenario.workers[0].count"}
    assert not BenchRun.objects.exists()


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"scenario": "smok"}, "scenario", "There is no scenario 'smok'; there are "),
        ({"scenario": "smoke", "seed": -1}, "seed", "from 0 to"),
        ({"scenario": "smoke", "seed": 2**63}, "seed", "from 0 to"),
        ({"scenario": {}}, "scenario.mix", "is missing"),
        ({"scenario": {**OWN, "workers": [{"handlers": "os"}]}}, "scenario.workers[0].handlers", "command line only"),
    ],
)
def test_what_cannot_be_run_is_refused(body: Any, field: str, said: str, api: Api) -> None:
    assert said in problems(api.post("/runs", body))[field]


def test_who_starts_needs_the_right_and_at_the_site_that_of_sending_too(api: Api) -> None:
    refusal(Api().post("/runs", {"scenario": "smoke"}), 401)
    bob = Api(token=token_of(user_with(START, name="bob")))
    assert START in refusal(bob.post("/runs", {"scenario": "smoke"}), 403)["detail"]
    at_the_site = {**OWN, "place": "site", "workers": [{"count": 0}]}
    assert "commands.add_testcommand" in refusal(api.post("/runs", {"scenario": at_the_site}), 403)["detail"]
    sender = user_with(START, "commands.add_testcommand", name="eve")
    both = Api(token=token_of(sender, START, "commands.add_testcommand"))
    assert both.post("/runs", {"scenario": at_the_site}).status_code == 201


# -- following, canceling --------------------------------------------------------------------------------------------


def test_runs_are_listed_filtered_and_paged() -> None:
    kills = [run(document(scenario="f01_kill")) for _ in range(3)]
    failed = run(document(verdict=RunVerdict.FAIL))
    every = Api().get("/runs").json()
    assert [item["id"] for item in every["items"]] == [failed, *reversed(kills)]
    assert "document" not in every["items"][0]
    assert every["items"][0]["verdict"] == "FAIL"
    first = Api().get("/runs", {"scenario": "f01_kill", "limit": 2}).json()
    second = Api().get("/runs", {"scenario": "f01_kill", "limit": 2, "cursor": first["next"]}).json()
    assert [item["id"] for item in first["items"] + second["items"]] == list(reversed(kills))
    assert second["next"] is None
    assert [item["id"] for item in Api().get("/runs", {"verdict": "FAIL"}).json()["items"]] == [failed]
    refusal(Api().get("/runs", {"verdict": "GOOD"}), 422)
    refusal(Api().get("/runs", {"cursor": "x"}), 422)


def test_one_has_its_whole_document() -> None:
    made = document()
    found = Api().get(f"/runs/{run(made)}").json()
    assert found["document"] == json.loads(made.model_dump_json())
    refusal(Api().get("/runs/4711"), 404)


def test_one_is_canceled_once(api: Api) -> None:
    number = run(state="waiting", pid=None)
    refusal(Api().post(f"/runs/{number}/cancel"), 401)
    assert api.post(f"/runs/{number}/cancel").json()["state"] == "canceled"
    assert refusal(api.post(f"/runs/{number}/cancel"), 409)["code"] == "over"
    going_on = run(state="running")
    answer = api.post(f"/runs/{going_on}/cancel").json()
    assert (answer["state"], answer["canceled_by"]) == ("running", "ada")
    refusal(api.post("/runs/4711/cancel"), 404)


# -- reports, comparison, scenarios ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_a_report_is_a_file_of_its_format(kind: str) -> None:
    number = run()
    answer = Api().get(f"/runs/{number}/report.{kind}")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith(FORMATS[kind].media_type)  # type: ignore[index]  # a word of it
    assert answer["Content-Disposition"].startswith(f'attachment; filename="run-{number}.')
    assert "smoke" in answer.text
    assert Api().get(f"/runs/{number}").json()["links"]["reports"][kind] == f"/api/v1/runs/{number}/report.{kind}"


def test_without_a_document_there_is_no_report() -> None:
    number = run(state="canceled")
    assert refusal(Api().get(f"/runs/{number}/report.html"), 404)["code"] == "no_report"
    assert Api().get(f"/runs/{number}").json()["links"]["reports"] == {}
    refusal(Api().get(f"/runs/{number}/report.pdf"), 422)


def test_two_runs_are_compared() -> None:
    a, b = run(document(p99=20.0)), run(document(p99=30.0, verdict=RunVerdict.FAIL))
    found = Api().get("/runs/compare", {"a": a, "b": b}).json()
    assert (found["a"]["id"], found["b"]["id"]) == (a, b)
    assert {"name": "verdict", "a": "PASS", "b": "FAIL"} in found["outcome"]
    (p99,) = [each for each in found["measures"] if each["name"] == "End to end, p99"]
    assert (p99["a"], p99["b"], p99["change"], p99["of_a"]) == (20, 30, 50, None)
    refusal(Api().get("/runs/compare", {"a": a, "b": 4711}), 404)
    assert refusal(Api().get("/runs/compare", {"a": a, "b": run(state="lost")}), 409)["code"] == "no_report"


def test_the_shipped_scenarios_are_told_and_each_can_be_started(api: Api) -> None:
    found = api.get("/scenarios").json()["items"]
    assert [each["name"] for each in found] == list(shipped())
    (smoke,) = [each for each in found if each["name"] == "smoke"]
    assert (smoke["commands"], smoke["engines"], smoke["expects"], smoke["faults"]) == (300, ["native"], "PASS", [])
    source = api.get("/scenarios/smoke").json()["source"]
    assert api.post("/runs", {"scenario": source}).status_code == 201
    refusal(api.get("/scenarios/smok"), 404)
