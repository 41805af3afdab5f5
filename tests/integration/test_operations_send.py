"""Bulk sends: each chunk whole or not at all, the same for the same seed, as many as wanted whoever works them off."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction

from commands.bus.operations import Mix, cancel, send_many
from commands.bus.send import send_test_command
from commands.models import Command, Operation, TestCommand
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.payload import parse_json
from settings_app.models import Configuration
from tests.conftest import StartManage
from tests.support.bus import HandBus
from tests.support.waiting import wait_until

EACH = [Behavior(type=kind) for kind in BehaviorType]
SUCCESS = Behavior(type=BehaviorType.SUCCESS)
PARKS = Behavior(type=BehaviorType.FAIL_PERMANENT, error_code="NO_FUNDS")
WORK = "SELECT commandbus.work_operation(%s)"


def ask(count: int = 10, *, rate: int | None = None, reason: str = "", **mix: Any) -> int:
    """Ask for a bulk send; its number."""
    asked = Mix(**{"parts": [(SUCCESS, 1)], "count": count, **mix})
    return send_many(asked, operator="ada", rate=rate, reason=reason)


def query(statement: str, *parameters: Any) -> Any:
    """The first value that the database answers Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0] if cursor.description else None


def work(limit: int = 5000) -> dict[str, Any]:
    """One chunk, in the transaction of the test or in one of its own."""
    answer: dict[str, Any] = json.loads(query(f"{WORK}::TEXT", limit))
    return answer


def work_all(limit: int = 5000) -> None:
    while work(limit)["operation"] is not None:
        pass


def operation(number: int) -> Operation:
    return Operation.objects.get(pk=number)


def sent() -> int:
    return int(query("SELECT count(*) FROM pgmq.q_test__commands"))


def types() -> list[str]:
    """The behavior types, in the order of sending."""
    return [behavior["type"] for behavior in TestCommand.objects.order_by("id").values_list("behavior", flat=True)]


def fail_at(place: int, code: str) -> None:
    """From the row at this place on, nothing can be inserted any more."""
    query(
        "CREATE FUNCTION pg_temp.fails() RETURNS TRIGGER LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = 'out of room'; END $$"
    )
    number = query("SELECT max(id) FROM test_command") + place - TestCommand.objects.count()
    query(
        "CREATE TRIGGER fails BEFORE INSERT ON public.test_command FOR EACH ROW"
        f" WHEN (NEW.id >= {number}) EXECUTE FUNCTION pg_temp.fails()"
    )


# -- what is sent ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("reply", [True, False])
def test_a_command_of_a_bulk_send_is_what_a_command_sent_alone_is(reply: bool) -> None:
    alone = send_test_command(PARKS, payload={"a": [1, "ä"]}, reply=reply, max_attempts=7).command_id
    number = ask(1, parts=[(PARKS, 1)], payload={"a": [1, "ä"]}, reply=reply, max_attempts=7)
    work_all()
    other = TestCommand.objects.exclude(command_id=alone).get().command_id

    def story(command_id: UUID) -> Any:
        own = (
            "SELECT json_build_array(to_jsonb(c) - %s::TEXT[], to_jsonb(t) - %s::TEXT[], q.message - %s::TEXT[],"
            " (SELECT json_agg(a.event_type) FROM commandbus.audit a WHERE a.command_id = c.command_id))::TEXT"
            " FROM commandbus.command c JOIN test_command t USING (command_id)"
            " JOIN pgmq.q_test__commands q ON q.msg_id = c.msg_id WHERE c.command_id = %s"
        )
        times = ["created_at", "updated_at", "id", "msg_id", "command_id", "correlation_id"]
        return json.loads(query(own, times, times, times, command_id))

    assert story(other) == story(alone)
    assert Command.objects.get(pk=other).correlation_id == operation(number).correlation_id


@pytest.mark.django_db
def test_max_attempts_are_those_of_the_settings_when_it_was_asked_for() -> None:
    ask(2)
    Configuration.change({"max_attempts": 9}, version=1, by="grace")
    work_all()
    assert set(Command.objects.values_list("max_attempts", flat=True)) == {3}


@pytest.mark.django_db
def test_the_numbers_of_a_payload_keep_every_digit() -> None:
    payload = '{"big": 123456789012345678901234567890, "zero": 1.50, "price": 0.1234567890123456789012}'
    ask(2, payload=parse_json(payload))
    work_all()
    assert query("SELECT array_agg(DISTINCT payload::TEXT) FROM test_command") == [payload]
    assert query("SELECT array_agg(DISTINCT (message -> 'data')::TEXT) FROM pgmq.q_test__commands") == [payload]


@pytest.mark.django_db
def test_a_large_payload_makes_small_chunks() -> None:
    ask(5000, payload={"blob": "x" * 65_000})
    assert work()["done"] == 2**23 // len('{"blob": ""}' + "x" * 65_000)


@pytest.mark.django_db
def test_ids_grow_in_the_order_of_sending() -> None:
    ask(300)
    work_all(100)
    ids = list(TestCommand.objects.order_by("id").values_list("command_id", flat=True))
    assert {command_id.version for command_id in ids} == {7}
    for place in (0, 100, 200):
        chunk = ids[place : place + 100]
        assert chunk == sorted(chunk)
    assert [command_id.int >> 80 for command_id in ids] == sorted(command_id.int >> 80 for command_id in ids)


# -- the mix ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_in_turn_each_behavior_follows_the_one_before_across_chunks() -> None:
    ask(14, parts=[(behavior, weight) for weight, behavior in enumerate(EACH, 1)], in_turn=True)
    work_all(4)
    assert types() == [EACH[place % 6].type for place in range(14)]


@pytest.mark.django_db
def test_the_same_seed_draws_the_same_however_it_is_cut_into_chunks() -> None:
    for seed, limit in ((7, 5000), (7, 33), (8, 5000)):
        ask(200, parts=[(behavior, 1) for behavior in EACH], seed=seed)
        work_all(limit)
    drawn = types()
    assert drawn[:200] == drawn[200:400]
    assert drawn[:200] != drawn[400:]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_behaviors_are_drawn_by_their_weights(seed: int) -> None:
    weights = [70, 0, 5.5, 4, 20, 0.5]
    ask(4000, parts=list(zip(EACH, weights, strict=True)), seed=seed)
    work_all(1500)
    drawn = Counter(types())
    assert sum(drawn.values()) == 4000
    for behavior, weight in zip(EACH, weights, strict=True):
        share = weight / 100
        spread = (4000 * share * (1 - share)) ** 0.5
        assert abs(drawn[behavior.type] - 4000 * share) <= 5 * spread, behavior.type


# -- whole chunks ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("code", ["22023", "23514", "42P01", "54000", "P0001"])
def test_a_chunk_that_can_never_be_sent_is_undone_and_ends_the_operation(code: str) -> None:
    number = ask(30)
    assert work(10) == {"operation": number, "state": "running", "done": 10}
    fail_at(15, code)
    assert work(10) == {"operation": number, "state": "failed", "done": 10}
    row = operation(number)
    assert (row.state, row.done, row.said, row.ended_at is None) == ("failed", 10, "out of room", False)
    assert (sent(), TestCommand.objects.count()) == (10, 10)
    assert work() == {"operation": None, "due_ms": None}


@pytest.mark.django_db
def test_a_chunk_that_may_be_sent_later_is_undone_and_sent_later() -> None:
    number = ask(30)
    work(10)
    fail_at(15, "53100")
    with pytest.raises(OperationalError, match="out of room"), transaction.atomic():
        work(10)
    assert (sent(), operation(number).done) == (10, 10)
    query("DROP TRIGGER fails ON public.test_command")
    work_all(10)
    assert (sent(), operation(number).done, operation(number).state) == (30, 30, "done")


@pytest.mark.django_db(transaction=True)
def test_of_one_that_dies_in_a_chunk_nothing_stays_and_the_next_one_goes_on(bus: HandBus) -> None:
    number = ask(30)
    work(10)
    dying = bus.connect()
    dying.execute(WORK, [10])
    assert work(10)["operation"] is None, "it is another's"
    bus.value("SELECT pg_terminate_backend(%s)", [dying.info.backend_pid])
    wait_until(lambda: work(10)["operation"] == number)
    work_all(10)
    assert (sent(), operation(number).done, Command.objects.count()) == (30, 30, 30)
    dying.close()


@pytest.mark.django_db(transaction=True)
def test_several_at_once_send_exactly_what_is_wanted(committed: str) -> None:
    numbers = [ask(200), ask(150)]

    def work_off(_: int) -> None:
        with psycopg.connect(committed, autocommit=True) as conn:
            while True:
                (answer,) = conn.execute(WORK, [20]).fetchone() or ({},)
                if answer["operation"] is None and answer["due_ms"] is None:
                    return

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work_off, range(3)))
    assert [operation(number).done for number in numbers] == [200, 150]
    assert (sent(), Command.objects.count()) == (350, 350)


# -- cancel and rate -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_cancel_ends_it_between_two_chunks() -> None:
    number = ask(30)
    work(10)
    assert cancel(number, by="grace")
    assert work(10) == {"operation": None, "due_ms": None}
    row = operation(number)
    assert (row.state, row.done, row.stopped_by, row.said) == ("canceled", 10, "grace", "Canceled by grace.")
    assert (sent(), cancel(number, by="ada")) == (10, False)


@pytest.mark.django_db(transaction=True)
def test_a_cancel_lets_the_chunk_end_that_is_on_its_way(bus: HandBus) -> None:
    number = ask(30)
    worker = bus.connect()
    worker.execute(WORK, [10])

    def canceled() -> bool:
        try:
            return cancel(number, by="grace")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(canceled)
        wait_until(bus.waiting)
        worker.commit()
        assert answer.result()
    worker.close()
    assert (sent(), operation(number).done, operation(number).state) == (10, 10, "canceled")


@pytest.mark.django_db
def test_under_a_rate_each_chunk_waits_for_its_time() -> None:
    number = ask(30, rate=40)
    assert work()["done"] == 10, "a quarter of a second's"
    answer = work()
    assert answer["operation"] is None
    assert 200 <= answer["due_ms"] <= 250
    query("UPDATE e2e_operation SET next_at = clock_timestamp() - interval '1 ms'")
    assert work() == {"operation": number, "state": "running", "done": 20}


@pytest.mark.django_db
def test_time_in_which_nothing_was_sent_is_not_made_up_for() -> None:
    number = ask(1000, rate=40)
    query("UPDATE e2e_operation SET next_at = clock_timestamp() - interval '1 hour'")
    begun = query("SELECT clock_timestamp()")
    work_all()
    passed = (query("SELECT clock_timestamp()") - begun).total_seconds()
    assert 20 <= operation(number).done <= 40 * (0.25 + passed) + 10


# -- manage.py operate -----------------------------------------------------------------------------------------------


def operate(**options: Any) -> tuple[int, str]:
    """Exit code and what was printed."""
    out = StringIO()
    try:
        call_command("operate", stdout=out, **options)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_operate_works_all_off() -> None:
    first, second = ask(6000), ask(20, rate=100)
    code, said = operate()
    assert code == 0
    assert f"Operation {first}: 6,000 done, done." in said
    assert f"Operation {second}: 20 done, done." in said
    assert said.endswith("No operation is left to be worked off.\n")
    assert sent() == 6020


@pytest.mark.django_db(transaction=True)
def test_operate_stops_when_its_time_is_up() -> None:
    number = ask(100, rate=1)
    code, said = operate(max_wait=0.3)
    assert (code, said) == (3, "The time is up; not all operations are over.\n")
    assert operation(number).state == "running"
    assert sent() == operation(number).done


@pytest.mark.django_db(transaction=True)
def test_operate_that_is_killed_is_gone_on_with(start_manage: StartManage) -> None:
    number = ask(20_000)
    program = start_manage("operate")
    wait_until(lambda: operation(number).done, 30)
    program.kill()
    wait_until(lambda: sent() == operation(number).done)  # the server may still commit what it was told
    operate()
    assert (sent(), operation(number).done, Command.objects.count()) == (20_000, 20_000, 20_000)
