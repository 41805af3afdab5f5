"""commands/models.py on the real tables: CRUD of test commands, validation at every door, and what is read-only."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction

from commands.models import AuditEvent, Command, TestCommand
from commands.rules.words import Status
from e2e_site.read_only import ReadOnlyError
from settings_app.models import Worker

pytestmark = pytest.mark.django_db

BAD_BEHAVIOR = {"type": "success", "execution_time_ms": -1}
BEHAVIOR_MESSAGE = "execution_time_ms must be a whole number from 0 to 3,600,000, not -1"


@pytest.fixture
def test_command() -> TestCommand:
    return TestCommand.objects.create(behavior={"type": "success"}, payload={"order": 7})


@pytest.fixture
def command() -> Callable[..., UUID]:
    """Makes a row of commandbus.command, and returns its command_id."""

    def make(command_id: UUID | None = None, *, domain: str = "test") -> UUID:
        command_id = command_id or uuid4()
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO commandbus.command (domain, queue_name, command_id, command_type, status, max_attempts)"
                " VALUES (%s, %s, %s, 'TestCommand', 'PENDING', 3)",
                [domain, f"{domain}__commands", command_id],
            )
        return command_id

    return make


def test_a_test_command_is_created_with_the_servers_time_and_read_back() -> None:
    created = TestCommand.objects.create(behavior={"type": "timeout", "execution_time_ms": 5}, payload={"é": [1]})
    read = TestCommand.objects.get(command_id=created.command_id)
    assert (read.behavior, read.payload) == ({"type": "timeout", "execution_time_ms": 5}, {"é": [1]})
    assert (read.attempts, read.result, read.processed_at) == (0, None, None)
    assert read.created_at == created.created_at
    assert read.created_at is not None


def test_a_test_command_is_deleted(test_command: TestCommand) -> None:
    test_command.delete()
    assert not TestCommand.objects.filter(command_id=test_command.command_id).exists()


def test_a_second_test_command_for_one_command_is_refused(test_command: TestCommand) -> None:
    with pytest.raises(IntegrityError):
        TestCommand.objects.create(command_id=test_command.command_id, behavior={"type": "success"})


def test_full_clean_names_the_wrong_key_at_the_field() -> None:
    with pytest.raises(ValidationError) as caught:
        TestCommand(behavior=BAD_BEHAVIOR, payload=[]).full_clean()
    assert set(caught.value.message_dict) == {"behavior", "payload"}
    assert BEHAVIOR_MESSAGE in caught.value.message_dict["behavior"][0]
    assert "payload must be a JSON object" in caught.value.message_dict["payload"][0]


def _assign_and_save(row: TestCommand) -> None:
    row.payload = {}
    row.save()


def _assign_and_bulk_update(row: TestCommand) -> None:
    row.payload = {}
    TestCommand.objects.bulk_update([row], ["payload"])


CHANGES: dict[str, Callable[[TestCommand], object]] = {
    "save": _assign_and_save,
    "save of one field": lambda old: old.save(update_fields=["behavior"]),
    "update": lambda old: TestCommand.objects.filter(pk=old.pk).update(behavior={"type": "timeout"}),
    "bulk_update": _assign_and_bulk_update,
    "update_or_create": lambda old: TestCommand.objects.update_or_create(
        command_id=old.command_id, defaults={"payload": {}}
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_asked_stays_as_it_was_sent(
    test_command: TestCommand, change: Callable[[TestCommand], object]
) -> None:
    with pytest.raises(ReadOnlyError, match="read-only once it is sent: send another"), transaction.atomic():
        change(test_command)
    test_command.refresh_from_db()
    assert (test_command.behavior, test_command.payload) == ({"type": "success"}, {"order": 7})


def test_a_new_row_with_the_number_of_another_does_not_take_its_place(test_command: TestCommand) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        TestCommand(pk=test_command.pk, behavior={"type": "timeout"}).save()
    test_command.refresh_from_db()
    assert test_command.behavior == {"type": "success"}


WRITES: dict[str, Callable[[Any], object]] = {
    "create": lambda bad: TestCommand.objects.create(behavior=bad),
    "save": lambda bad: TestCommand(behavior=bad).save(),
    "bulk_create": lambda bad: TestCommand.objects.bulk_create([TestCommand(behavior=bad)]),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("bad", [BAD_BEHAVIOR, {}, [], {"type": "success", "colour": "red"}], ids=ascii)
def test_no_write_takes_what_is_no_behavior(write: Callable[[Any], object], bad: Any) -> None:
    with pytest.raises(ValidationError), transaction.atomic():
        write(bad)
    assert not TestCommand.objects.exists()


def test_no_write_takes_a_payload_that_is_too_long_or_that_postgresql_cannot_store() -> None:
    bad: list[Any] = [{"a": "x" * 65_536}, {"a": "\0"}, {"a": float("nan")}, []]
    for payload in bad:
        with pytest.raises(ValidationError), transaction.atomic():
            TestCommand.objects.create(behavior={"type": "success"}, payload=payload)


READ_ONLY: list[type[models.Model]] = [Command, AuditEvent, Worker]
REFUSED: dict[str, Callable[[type[models.Model]], object]] = {
    "save": lambda model: model().save(),
    "delete": lambda model: model(pk=uuid4()).delete(),
    "create": lambda model: model._default_manager.create(),
    "get_or_create": lambda model: model._default_manager.get_or_create(pk=1),
    "update_or_create": lambda model: model._default_manager.update_or_create(pk=1),
    "bulk_create": lambda model: model._default_manager.bulk_create([model()]),
    "bulk_update": lambda model: model._default_manager.bulk_update([model()], ["domain"]),
    "update of all": lambda model: model._default_manager.update(),
    "update": lambda model: model._default_manager.filter(pk=None).update(),
    "delete of many": lambda model: model._default_manager.all().delete(),
}


@pytest.mark.parametrize("model", READ_ONLY)
@pytest.mark.parametrize("write", REFUSED.values(), ids=REFUSED)
def test_a_read_only_model_refuses_each_write_and_names_who_writes(
    model: type[models.Model], write: Callable[[type[models.Model]], object]
) -> None:
    with pytest.raises(ReadOnlyError, match=r"is read-only here: .*(commands\.bus|commandbus|runworker)"):
        write(model)


def test_a_command_is_found_by_its_id_through_the_primary_key(command: Callable[..., UUID]) -> None:
    wanted = command()
    found = Command.objects.get(pk=wanted)
    assert (found.status, found.attempts, found.max_attempts) == (Status.PENDING, 0, 3)
    found.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO commandbus.command (domain, queue_name, command_id, command_type, status, max_attempts)"
            " SELECT 'test', 'q', gen_random_uuid(), 'T', 'PENDING', 1 FROM generate_series(1, 10000)"
        )
    plan = Command.objects.filter(pk=wanted).explain()
    condition = next(found for found in re.findall("Index Cond: .*", plan) if "command_id" in found)
    assert "domain" in condition


def test_commands_of_domains_that_are_not_ours_are_not_seen(command: Callable[..., UUID]) -> None:
    command(domain="other")
    mine = command()
    assert [found.command_id for found in Command.objects.all()] == [mine]


def test_the_newest_commands_are_those_of_the_domain_that_were_sent_last(command: Callable[..., UUID]) -> None:
    sent = []
    for domain in ("test", "test", "other", "test", "test", "other"):
        row = TestCommand.objects.create(behavior={"type": "success"})
        command(row.command_id, domain=domain)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO commandbus.audit (domain, command_id, event_type) VALUES (%s, %s, 'SENT')",
                [domain, row.command_id],
            )
        if domain == "test":
            sent.append(row.command_id)
    assert [found.command_id for found in Command.objects.newest(3)] == sent[:0:-1]


def test_a_worker_is_live_until_it_stops_or_falls_silent() -> None:
    ids = {name: uuid4() for name in ("live", "silent", "stopped")}
    with connection.cursor() as cursor:
        for name, silence, stopped in (("live", 9, None), ("silent", 11, None), ("stopped", 0, "now")):
            cursor.execute(
                "INSERT INTO public.e2e_worker"
                " (worker_id, host, pid, engine, queue_name, beat_at, stopped_at, settings_version, concurrency)"
                " VALUES (%s, 'here', 1, 'native', 'test__commands', now() - make_interval(secs => %s), %s, 1, 4)",
                [ids[name], silence, stopped],
            )
    assert [worker.worker_id for worker in Worker.objects.live()] == [ids["live"]]
