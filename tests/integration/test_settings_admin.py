"""The settings page in the admin: who may use it, what it refuses, what it records, and who has acknowledged."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from settings_app.models import Configuration, SettingsConflictError
from settings_app.values import NAMES, SETTINGS, SWITCHES, Setting, Value
from tests.support.bus import HandBus
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db

PAGE = "/admin/settings_app/configuration/1/change/"
RESET = "/admin/settings_app/configuration/1/reset/"
WORKERS = "/admin/settings_app/configuration/1/workers/"
HISTORY = "/admin/settings_app/configuration/1/history/"


@pytest.fixture
def ada(client_of: Callable[..., Client]) -> Client:
    return client_of("ada", "change_configuration")


@pytest.fixture
def worker() -> Callable[..., None]:
    """Makes the row of a worker that gave a sign of life just now."""

    def make(host: str, *, version: int, silence: int = 0) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO public.e2e_worker"
                " (worker_id, host, pid, engine, queue_name, beat_at, settings_version, concurrency, overrides)"
                " VALUES (%s, %s, 7, 'native', 'test__commands', now() - make_interval(secs => %s), %s, 4,"
                """ '{"concurrency": 2, "heartbeat": true}')""",
                [uuid4(), host, silence, version],
            )

    return make


def opened_form() -> dict[str, str]:
    """What a browser would send back if its user opened the page now and changed nothing."""
    config = Configuration.load()
    values = {name: str(value) for name, value in config.values().items()}
    seen = {f"initial-{name}": value for name, value in values.items()}
    return {**values, **seen, "seen_version": str(config.version)}


def errors_of(response: Any) -> dict[str, list[str]]:
    return cast("dict[str, list[str]]", response.context["adminform"].form.errors)


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


# --- Ways in ---------------------------------------------------------------------------------------------------------


def test_settings_and_the_list_lead_straight_to_the_row(ada: Client) -> None:
    assert ada.get("/settings/").headers["Location"] == PAGE
    assert ada.get(reverse("admin:settings_app_configuration_changelist")).headers["Location"] == PAGE


def test_the_page_groups_the_settings_and_says_unit_range_default_and_use_of_each(ada: Client) -> None:
    html = ada.get(PAGE).content.decode()
    assert "Worker</h2>" in html
    assert "Retry</h2>" in html
    numbers, switches = SETTINGS.values(), SWITCHES.values()
    for help_text in [*(number.help_text for number in numbers), *(switch.help_text for switch in switches)]:
        assert help_text in html


@pytest.mark.parametrize("url", [PAGE, RESET, HISTORY, WORKERS])
def test_anonymous_visitors_are_sent_to_the_login(client: Client, url: str) -> None:
    response = client.get(url)
    assert response.status_code == 302
    assert "/login/" in response.headers["Location"]


@pytest.mark.parametrize(
    ("codenames", "staff", "sees", "changes"),
    [
        ([], True, 403, 403),
        (["view_configuration"], True, 200, 403),
        (["change_configuration"], True, 200, 302),
        (["view_configuration"], False, 200, 403),
        (["change_configuration"], False, 200, 302),
        ([], False, 302, 302),  # to the login
    ],
    ids=["staff", "staff that may view", "staff that may change", "view", "change", "nothing"],
)
def test_who_may_see_and_who_may_change(
    client_of: Callable[..., Client], codenames: list[str], staff: bool, sees: int, changes: int
) -> None:
    client = client_of("eve", *codenames, staff=staff)
    may_change = "change_configuration" in codenames
    assert client.get(PAGE).status_code == sees
    assert client.get(WORKERS).status_code == sees
    assert client.get(RESET).status_code == (200 if may_change else 302 if sees == 302 else 403)
    assert client.post(PAGE, {**opened_form(), "concurrency": "9"}).status_code == changes
    assert client.post(RESET, {"seen_version": "1"}).status_code == changes
    assert LogEntry.objects.count() == may_change


def test_a_change_needs_the_csrf_token(ada: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = ada.cookies
    for url in (PAGE, RESET):
        assert strict.post(url, opened_form()).status_code == 403


def test_there_is_no_adding_and_no_deleting(admin_client: Client) -> None:
    assert admin_client.get("/admin/settings_app/configuration/add/").status_code == 403
    assert admin_client.post("/admin/settings_app/configuration/1/delete/", {"post": "yes"}).status_code == 403


# --- Saving ----------------------------------------------------------------------------------------------------------


def test_a_save_writes_counts_the_version_and_records_who_changed_what(ada: Client) -> None:
    before = Configuration.load()
    response = ada.post(PAGE, {**opened_form(), "concurrency": "8", "poll_interval": "0.25"})
    assert (response.status_code, response.headers["Location"]) == (302, PAGE)
    after = Configuration.load()
    assert (after.concurrency, after.poll_interval) == (8, Decimal("0.25"))
    assert (after.version, after.updated_by) == (before.version + 1, "ada")
    assert after.updated_at > before.updated_at
    entry = LogEntry.objects.get()
    assert (entry.user.get_username(), entry.change_message) == ("ada", "concurrency 4 → 8, poll_interval 1 → 0.25.")
    assert "concurrency 4 → 8" in ada.get(HISTORY).content.decode()


def test_a_switch_is_saved_on_and_off_again_and_counts_the_version(ada: Client) -> None:
    assert ada.post(PAGE, {**opened_form(), "heartbeat": "on"}).status_code == 302
    on = Configuration.load()
    assert (on.heartbeat, on.version) == (True, 2)
    left_out = {name: value for name, value in opened_form().items() if name != "heartbeat"}  # as browsers send "off"
    response = ada.post(PAGE, left_out)
    assert messages_of(response)[-1] == "Saved as version 3: heartbeat on → off."
    assert Configuration.load().heartbeat is False
    texts = [entry.change_message for entry in LogEntry.objects.order_by("pk")]
    assert texts == ["heartbeat off → on.", "heartbeat on → off."]


def test_a_save_without_a_change_writes_nothing(ada: Client) -> None:
    before = Configuration.load()
    response = ada.post(PAGE, {**opened_form(), "poll_interval": "1.0"})
    assert messages_of(response) == ["Nothing to save: every setting is as it was."]
    assert Configuration.load().version == before.version


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_value_out_of_range_is_an_error_at_its_field(ada: Client, setting: Setting) -> None:
    step = Decimal(1).scaleb(-setting.places)
    for text in (str(setting.minimum - step), str(setting.maximum + step), "", "ten", "NaN", "0.051"):
        response = ada.post(PAGE, {**opened_form(), setting.name: text})
        assert response.status_code == 200
        assert setting.name in errors_of(response), text
    assert Configuration.load().version == 1


def test_a_max_delay_below_the_base_delay_is_an_error(ada: Client) -> None:
    response = ada.post(PAGE, {**opened_form(), "base_delay_ms": "1000", "max_delay_ms": "999"})
    assert errors_of(response) == {
        "max_delay_ms": ["The max delay (999 ms) must not be below the base delay (1,000 ms)."]
    }


def test_a_lease_shorter_than_the_poll_interval_is_saved_with_a_warning(ada: Client) -> None:
    response = ada.post(PAGE, {**opened_form(), "visibility_timeout": "5", "poll_interval": "7.5"})
    assert Configuration.load().visibility_timeout == 5
    saved, warning = messages_of(response)
    assert saved.startswith("Saved as version 2: visibility_timeout 30 → 5")
    assert warning.startswith("The lease (5 s) is shorter than the poll interval (7.5 s)")


# --- Two users at once -----------------------------------------------------------------------------------------------


def test_a_save_over_a_newer_version_is_refused_and_says_who_changed_what(ada: Client) -> None:
    opened = opened_form()
    Configuration.change({"concurrency": 16, "batch_size": 20}, version=1, by="grace")
    response = ada.post(PAGE, {**opened, "max_attempts": "5", "batch_size": "50"})
    (message,) = errors_of(response)["__all__"]
    assert message.startswith("grace changed the settings at ")
    assert "concurrency 4 → 16, batch_size 10 → 20." in message
    config = Configuration.load()
    assert (config.concurrency, config.batch_size, config.max_attempts, config.version) == (16, 20, 3, 2)
    assert not LogEntry.objects.exists()


def test_after_a_conflict_the_users_input_is_kept_and_a_second_save_applies_it_on_top(ada: Client) -> None:
    opened = opened_form()
    Configuration.change({"concurrency": 16, "batch_size": 20}, version=1, by="grace")
    form = ada.post(PAGE, {**opened, "max_attempts": "5", "batch_size": "50"}).context["adminform"].form
    shown = {name: str(form[name].value()) for name in (*NAMES, "seen_version")}
    assert (shown["max_attempts"], shown["batch_size"]) == ("5", "50")  # the user's
    assert (shown["concurrency"], shown["seen_version"]) == ("16", "2")  # the newest
    seen = {f"initial-{name}": str(value) for name, value in Configuration.load().values().items()}
    html = form[("concurrency")].as_widget() + form["concurrency"].as_hidden(only_initial=True)
    assert html.count('value="16"') == 2
    assert ada.post(PAGE, {**shown, **seen}).status_code == 302
    config = Configuration.load()
    assert (config.concurrency, config.batch_size, config.max_attempts, config.version) == (16, 50, 5, 3)
    assert LogEntry.objects.get().change_message == "batch_size 20 → 50, max_attempts 3 → 5."


def test_a_conflict_over_a_switch_shows_the_newest_and_is_settled_like_any_other(ada: Client) -> None:
    opened = opened_form()
    Configuration.change({"heartbeat": True}, version=1, by="grace")
    left_out = {name: value for name, value in opened.items() if name != "heartbeat"}
    form = ada.post(PAGE, {**left_out, "max_attempts": "5"}).context["adminform"].form
    assert "heartbeat off → on." in form.errors["__all__"][0]
    assert "checked" in form["heartbeat"].as_widget()
    again = {**opened_form(), "heartbeat": "on", "max_attempts": "5"}
    assert ada.post(PAGE, again).status_code == 302
    config = Configuration.load()
    assert (config.heartbeat, config.max_attempts) == (True, 5)
    assert LogEntry.objects.get().change_message == "max_attempts 3 → 5."


@pytest.mark.django_db(transaction=True)
def test_a_save_waits_for_one_that_is_under_way_and_then_sees_it(bus: HandBus, ada: Client) -> None:
    opened = opened_form()
    with bus.connect() as grace, ThreadPoolExecutor(1) as pool:
        grace.execute("UPDATE public.e2e_config SET concurrency = 16, updated_by = 'grace'")
        response = pool.submit(_post_and_close, ada, {**opened, "concurrency": "8"})
        wait_until(bus.waiting)
        grace.commit()
        (message,) = errors_of(response.result(timeout=10))["__all__"]
    assert "concurrency 4 → 16" in message
    assert Configuration.load().concurrency == 16


def _post_and_close(client: Client, data: dict[str, str]) -> Any:
    try:
        return client.post(PAGE, data)
    finally:
        connection.close()  # this thread's own


def test_a_save_that_does_not_say_which_version_it_saw_is_refused(ada: Client) -> None:
    opened = opened_form()
    del opened["seen_version"]
    response = ada.post(PAGE, {**opened, "concurrency": "8"})
    assert "seen_version" in errors_of(response)
    assert Configuration.load().version == 1


@pytest.mark.parametrize("odd", ["sNaN", "-NaN", "Infinity", "1e999999999", "9" * 5000, "x"], ids=lambda odd: odd[:12])
def test_a_conflict_passes_over_what_no_setting_may_be_in_what_the_form_says_it_saw(ada: Client, odd: str) -> None:
    opened = opened_form()
    Configuration.change({"concurrency": 16}, version=1, by="grace")
    seen = {f"initial-{name}": odd for name in SETTINGS}
    response = ada.post(PAGE, {**opened, **seen, "poll_interval": "2"})
    (message,) = errors_of(response)["__all__"]
    assert message.startswith("grace changed the settings at ")
    assert "no value that differs now" in message
    assert 'name="poll_interval" value="2"' in response.content.decode()


# --- Reset -----------------------------------------------------------------------------------------------------------


def test_a_reset_asks_first_then_sets_the_defaults_and_is_in_the_history(ada: Client) -> None:
    changed: dict[str, Value] = {"concurrency": 16, "backoff_multiplier": Decimal("1.5"), "heartbeat": True}
    Configuration.change(changed, version=1, by="grace")
    page = ada.get(RESET)
    assert [str(change) for change in page.context["changes"]] == [
        "concurrency 16 → 4",
        "backoff_multiplier 1.5 → 2",
        "heartbeat on → off",
    ]
    assert '<td class="num">1.5</td>' in page.content.decode()
    assert Configuration.load().concurrency == 16
    assert ada.post(RESET, {"seen_version": "2"}).headers["Location"] == PAGE
    config = Configuration.load()
    assert config.values() == Configuration.defaults()
    assert (config.version, config.updated_by) == (3, "ada")
    assert LogEntry.objects.get().change_message == (
        "Reset to defaults: concurrency 16 → 4, backoff_multiplier 1.5 → 2, heartbeat on → off."
    )


def test_a_reset_of_a_version_that_is_no_longer_there_is_refused(ada: Client) -> None:
    Configuration.change({"concurrency": 16}, version=1, by="grace")
    response = ada.post(RESET, {"seen_version": "1"})
    assert response.headers["Location"] == RESET
    assert messages_of(response) == ["grace changed the settings meanwhile. Nothing is reset; look again."]
    assert Configuration.load().concurrency == 16
    assert not LogEntry.objects.exists()


def test_a_reset_that_does_not_say_which_version_it_saw_asks_again(ada: Client) -> None:
    Configuration.change({"concurrency": 16}, version=1, by="grace")
    assert ada.post(RESET, {"seen_version": ""}).status_code == 200
    assert Configuration.load().concurrency == 16


def test_a_reset_of_the_defaults_writes_nothing(ada: Client) -> None:
    assert "nothing to reset" in ada.get(RESET).content.decode()
    ada.post(RESET, {"seen_version": "1"})
    assert Configuration.load().version == 1


# --- Acknowledgements ------------------------------------------------------------------------------------------------


def test_the_panel_says_which_live_workers_run_the_newest_version(ada: Client, worker: Callable[..., None]) -> None:
    Configuration.change({"concurrency": 8}, version=1, by="grace")
    worker("fresh", version=2)
    worker("stale", version=1)
    worker("silent", version=1, silence=11)
    for url in (PAGE, WORKERS):
        html = re.sub("</?bdi>", "", ada.get(url).content.decode())
        assert "1 of 2 live workers runs it" in html
        assert "saved by grace" in html
        assert "fresh:7" in html
        assert "stale:7" in html
        assert "(not yet 2)" in html
        assert "silent:7" not in html
        assert "heartbeat=on, concurrency=2" in html


def test_the_panel_says_when_every_worker_has_it_and_when_there_is_none(
    ada: Client, worker: Callable[..., None]
) -> None:
    assert "No worker is running" in ada.get(WORKERS).content.decode()
    worker("fresh", version=1)
    assert "Every live worker runs it (1 of 1)." in ada.get(WORKERS).content.decode()


# --- The model and the table -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_the_database_allows_what_the_rules_allow_and_no_more(setting: Setting) -> None:
    step = Decimal(1).scaleb(-setting.places)

    def write(value: Decimal) -> None:
        # The other delay must not be in the way.
        both = {"base_delay_ms": 0, "max_delay_ms": 86_400_000, setting.name: value}
        with transaction.atomic():
            Configuration.objects.filter(pk=1).update(**both)

    for value in (setting.minimum, setting.maximum):
        write(value)
        assert getattr(Configuration.load(), setting.name) == value
    for value in (setting.minimum - step, setting.maximum + step):
        with pytest.raises(IntegrityError, match=f"e2e_config_{setting.name}"):
            write(value)


def test_the_defaults_of_the_table_are_those_of_the_rules() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE public.e2e_config")
        cursor.execute("INSERT INTO public.e2e_config DEFAULT VALUES")
    assert Configuration.load().values() == Configuration.defaults()


def test_the_settings_in_code_are_changed_by_one_checked_door() -> None:
    config = Configuration.load()
    with pytest.raises(ValidationError, match="less than or equal to 500"):
        Configuration.change({"concurrency": 501}, version=1, by="code")
    with pytest.raises(ValidationError, match="must not be below the base delay"):
        Configuration.change({"max_delay_ms": 0}, version=1, by="code")
    with pytest.raises(SettingsConflictError, match="at version 1 by now"):
        Configuration.change({"concurrency": 5}, version=0, by="code")
    refused: list[Callable[[], object]] = [
        config.save,
        config.delete,
        Configuration.objects.all().delete,
        Configuration.objects.create,
    ]
    for write in refused:
        with pytest.raises(TypeError, match=r"Configuration.change|exactly one row"):
            write()
    assert Configuration.load().version == 1
