"""Checks of the site's own commands: by the command line, the API and the page; the dashboard shows the last one."""

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django.fixtures import Settings

from bench.invariants import site
from bench.models import BenchCheck
from e2e_site.database import connection_params
from e2e_site.locks import held_lock, one_at_a_time
from e2e_site.options import Exit
from tests.support.api import Api, refusal, token_of, user_with
from tests.support.bus import HandBus
from tests.support.history import complete

pytestmark = pytest.mark.django_db(transaction=True)

CHECK = "bench.add_benchcheck"


def spoil(bus: HandBus) -> str:
    """Spoil the newest command; its id."""
    (command_id,) = complete(bus.conn, 1)
    bus.conn.execute("UPDATE commandbus.command SET attempts = 2 WHERE command_id = %s", [command_id])
    return str(command_id)


def bench_check(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        call_command("bench", "check", *words)
    return int(ended.value.code or 0)


@pytest.fixture
def api() -> Api:
    return Api(token=token_of(user_with(CHECK), CHECK))


def test_the_command_line_says_what_holds_and_what_does_not(bus: HandBus, capsys: pytest.CaptureFixture[str]) -> None:
    complete(bus.conn, 3)
    assert bench_check() == Exit.DONE
    said = capsys.readouterr().out
    assert "V01 Holds       Each command has exactly one event SENT, its first. 3 checked" in said
    assert "L1  Not asked   " in said
    assert "PASS: All " in said
    spoilt = spoil(bus)
    assert bench_check("--json") == Exit.FAILED
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["domain"], document["commands"]) == ("FAIL", "test", 4)
    assert [rule["samples"][0]["command_id"] for rule in document["rules"] if rule["word"] == "BROKEN"] == [spoilt]
    assert document["why"].startswith("V09 is broken 1 time. Not so: the attempts of each command")
    assert bench_check() == Exit.FAILED
    assert f"      {spoilt} SRC: 2 attempts after SRC" in capsys.readouterr().out


def test_what_could_not_be_decided_is_no_pass(bus: HandBus, capsys: pytest.CaptureFixture[str]) -> None:
    bus.conn.execute("ALTER TABLE commandbus.parked RENAME TO elsewhere")
    try:
        assert bench_check() == Exit.TIME_IS_UP
    finally:
        bus.conn.execute("ALTER TABLE commandbus.elsewhere RENAME TO parked")
    assert "UNKNOWN: V25 was not decided: " in capsys.readouterr().out


def test_another_domain_is_named(bus: HandBus, orders: str, capsys: pytest.CaptureFixture[str]) -> None:
    complete(bus.conn, 2, domain=orders)
    assert bench_check("--domain", orders) == Exit.DONE
    assert [(check.domain, check.commands) for check in BenchCheck.objects.all()] == [("orders", 2)]


def test_the_newest_are_kept(bus: HandBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "KEPT", 3)
    for _ in range(5):
        site.make_check("test")
    assert list(BenchCheck.objects.order_by("check_id").values_list("check_id", flat=True)) == [3, 4, 5]


def test_the_api_tells_the_last_check_and_makes_one(bus: HandBus, api: Api) -> None:
    assert "never checked" in refusal(api.get("/verdict"), 404)["detail"]
    complete(bus.conn, 2)
    made = api.post("/verdict", {"domain": "test"})
    assert made.status_code == 200, made.content
    assert api.get("/verdict").json()["check_id"] == made.json()["check_id"]
    body = api.get("/verdict", {"domain": "test"}).json()
    assert (body["verdict"], body["commands"]) == ("PASS", 2)
    assert 0 <= body["age_s"] < 60
    spoilt = spoil(bus)
    (broken,) = [rule for rule in api.post("/verdict", {"domain": "test"}).json()["rules"] if rule["violations"]]
    assert (broken["id"], broken["samples"][0]) == (
        "V09", {"command_id": spoilt, "detail": "2 attempts after SRC", "word": "SRC"},
    )  # fmt: skip


def test_the_api_refuses_what_it_cannot_check(bus: HandBus, api: Api) -> None:
    assert refusal(api.get("/verdict", {"domain": "nowhere"}), 422)["errors"][0]["field"] == "domain"
    assert refusal(api.post("/verdict", {"domain": "nowhere"}), 422)["errors"][0]["allowed"] == "test"
    assert refusal(api.post("/verdict", {}), 422)["errors"][0]["field"] == "domain"
    refusal(Api(token=token_of(user_with(name="ben"))).post("/verdict", {"domain": "test"}), 403)
    lock = held_lock(connection_params(), "bench check test")
    assert lock is not None
    with lock:
        assert "under way" in refusal(api.post("/verdict", {"domain": "test"}), 409)["detail"]
    assert not BenchCheck.objects.exists()


def test_a_check_that_takes_long_goes_on_without_its_request(
    bus: HandBus, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.invariants.site.WAIT_S", 0)
    answer = api.post("/verdict", {"domain": "test"})
    assert (answer.status_code, answer.json()) == (202, {"domain": "test", "under_way": True})
    with one_at_a_time(connection_params(), "bench check test"):  # until it has ended
        assert api.get("/verdict").json()["verdict"] == "PASS"


def test_the_page_shows_the_last_check_and_makes_one(bus: HandBus, settings: Settings) -> None:
    settings.PUBLIC_READ = True
    assert "never checked" in Client().get("/runs/check/").content.decode()
    spoilt = spoil(bus)
    checker, looker = Client(), Client()
    checker.force_login(user_with(CHECK))
    looker.force_login(user_with(name="ben"))
    assert 'id="check-now"' not in looker.get("/runs/check/").content.decode()
    assert looker.post("/runs/check/", {"domain": "test"}).status_code == 403
    assert Client().post("/runs/check/", {"domain": "test"}).headers["Location"].startswith("/login/")
    assert checker.post("/runs/check/").status_code == 400
    assert checker.post("/runs/check/", {"domain": "nowhere"}).status_code == 404
    assert not BenchCheck.objects.exists()
    assert checker.post("/runs/check/", {"domain": "test"}).headers["Location"] == "/runs/check/"
    text = checker.get("/runs/check/").content.decode()
    assert 'id="check-now"' in text
    assert "V09 is broken 1 time" in text
    assert f'<a class="link mono" href="/commands/{spoilt}/">{spoilt}</a>' in text
    assert "2 attempts after SRC" in text
    assert text.index('id="rule-V09"') < text.index('id="rule-V01"'), "what is wrong comes first"
    assert "FROM bench_story" in text


def test_a_form_without_its_token_is_refused(bus: HandBus) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_with(CHECK))
    assert client.post("/runs/check/", {"domain": "test"}).status_code == 403
    assert not BenchCheck.objects.exists()


def test_the_dashboard_shows_the_last_verdict_for_one_row(
    bus: HandBus, settings: Settings, django_assert_num_queries: Any
) -> None:
    settings.PUBLIC_READ = True
    assert "were never checked" in Client().get("/").content.decode()
    site.make_check("test")
    text = Client().get("/").content.decode()
    assert 'href="/runs/check/">Invariants</a>' in text
    assert "Passed" in text
    with django_assert_num_queries(1):
        check = BenchCheck.objects.defer("rules").newest("test")
    assert check is not None
    spoil(bus)
    site.make_check("test")
    assert "Failed" in Client().get("/live/").content.decode().partition('id="last-check"')[2].partition("</p>")[0]
