"""The settings by program: read with their version, changed by who read the newest, with the admin's messages."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from commands.api.config import ConfigIn, ConfigOut
from settings_app.models import Configuration
from settings_app.values import NAMES
from tests.support.api import Api, refusal, token_of, user_with

pytestmark = pytest.mark.django_db

CHANGE = "settings_app.change_configuration"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def ada() -> User:
    return user_with(CHANGE)


@pytest.fixture
def api(ada: User) -> Api:
    return Api(token_of(ada, CHANGE))


def put(api: Api, **values: Any) -> Any:
    return api.put("/config", values, If_Match=f'"{Configuration.load().version}"')


def test_every_setting_is_read_with_its_version() -> None:
    response = Api().get("/config")
    body, config = response.json(), Configuration.load()
    told = {name: float(value) if isinstance(value, Decimal) else value for name, value in config.values().items()}
    assert {name: body[name] for name in NAMES} == told
    assert (body["version"], response["ETag"]) == (config.version, f'"{config.version}"')
    assert set(ConfigOut.model_fields) == {*NAMES, "version", "updated_at", "updated_by", "warning"}
    assert set(ConfigIn.model_fields) == set(ConfigOut.model_fields)


def test_what_was_read_is_changed_and_sent_back_whole(api: Api, ada: User) -> None:
    body = api.get("/config").json()
    response = api.put("/config", {**body, "concurrency": 8, "poll_interval": 0.25, "heartbeat": True})
    assert response.status_code == 200
    config = Configuration.load()
    assert (config.concurrency, str(config.poll_interval), config.heartbeat) == (8, "0.25", True)
    assert (config.updated_by, config.version) == ("ada", body["version"] + 1)
    assert (response.json()["version"], response["ETag"]) == (config.version, f'"{config.version}"')
    (entry,) = LogEntry.objects.all()
    assert (entry.user, entry.object_id) == (ada, "1")
    assert entry.change_message == "concurrency 4 → 8, poll_interval 1 → 0.25, heartbeat off → on."


def test_workers_are_paused_and_the_rest_stays(api: Api) -> None:
    assert put(api, paused=True).json()["paused"] is True
    assert Configuration.load().concurrency == 4
    assert Api().get("/queue").json()["paused"] is True
    assert put(api, paused=False).json()["paused"] is False


def test_what_changes_nothing_writes_nothing(api: Api) -> None:
    version = Configuration.load().version
    assert put(api, concurrency=4).json()["version"] == version
    assert not LogEntry.objects.exists()


def test_a_change_needs_the_newest_version(api: Api) -> None:
    version = Configuration.load().version
    assert refusal(api.put("/config", {"concurrency": 8}), 428)["code"] == "precondition_needed"
    assert put(Api(token_of(user_with(CHANGE, name="bob"), CHANGE)), concurrency=5).status_code == 200
    for response in (
        api.put("/config", {"concurrency": 8}, If_Match=f'"{version}"'),
        api.put("/config", {"concurrency": 8, "version": version}),
        api.put("/config", {"concurrency": 8, "version": version}, If_Match="*"),
        api.put("/config", {"concurrency": 8}, If_Match="soon"),
    ):
        assert "bob changed them at" in refusal(response, 412)["detail"]
        assert response["ETag"] == f'"{version + 1}"'
    assert Configuration.load().concurrency == 5
    refusal(api.put("/config", {"concurrency": 0, "version": version}), 422)  # what is wrong with it comes first
    assert api.put("/config", {"concurrency": 8}, If_Match=f'"{version}", W/"{version + 1}"').status_code == 200


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"concurrency": 0}, "concurrency", "Ensure this value is greater than or equal to 1."),
    ({"concurrency": True}, "concurrency", "Value error, It must be a whole number."),
    ({"concurrency": "4"}, "concurrency", "Value error, It must be a whole number."),
    ({"poll_interval": 0.001}, "poll_interval", "Ensure that there are no more than 2 decimal places."),
    ({"poll_interval": float("nan")}, "poll_interval", "Value error, must be a number"),
    ({"backoff_multiplier": 10**400}, "backoff_multiplier", "Ensure that there are no more than 4 digits in total."),
    ({"paused": "yes"}, "paused", "Input should be a valid boolean"),
    ({"base_delay_ms": 9000, "max_delay_ms": 10}, "max_delay_ms",
     "The max delay (10 ms) must not be below the base delay (9,000 ms)."),
    ({"color": "red"}, "color", "Extra inputs are not permitted"),
]  # fmt: skip


def test_what_is_wrong_is_said_in_the_admins_words(api: Api) -> None:
    version = Configuration.load().version
    for values, field, message in WRONG:
        errors = refusal(put(api, **values), 422)["errors"]
        assert {(error["field"], error["message"]) for error in errors} == {(field, message)}, values
    assert Configuration.load().version == version


def test_only_who_may_change_settings_does() -> None:
    bob = user_with("commands.operate_command", name="bob")
    refusal(put(Api(), paused=True), 401)
    assert CHANGE in refusal(put(Api(token_of(bob, CHANGE)), paused=True), 403)["detail"]
    assert not Configuration.load().paused


def test_a_login_needs_the_token_of_a_form() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_with(CHANGE))
    refusal(put(Api(client=client), paused=True), 403)
    assert not Configuration.load().paused


def test_what_is_odd_about_values_is_said(api: Api) -> None:
    assert "shorter than the poll interval" in put(api, visibility_timeout=1, poll_interval=2).json()["warning"]
