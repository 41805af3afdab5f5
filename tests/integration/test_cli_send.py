"""``manage.py send``: what a form takes is sent, and what it does not is refused by the name of its option."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.db import connection

from commands.models import Command, Operation, TestCommand
from commands.reads import sent
from commands.rules.agreement import Verdict
from settings_app.models import Configuration
from tests.support.bus import HandBus, Json, outcome
from tests.support.command_line import CommandLine

pytestmark = pytest.mark.django_db

ID = "0193a5b0-7c1e-7abc-8def-0123456789ab"


def test_one_command_is_sent_and_its_id_is_all_that_is_printed(manage_py: CommandLine) -> None:
    answer = manage_py("send", "--behavior", "success")
    assert (answer.code, answer.err) == (0, "")
    command_id = UUID(answer.out.strip())
    found = Command.objects.get(command_id=command_id)
    assert (found.domain, found.status, found.reply_queue) == ("test", "PENDING", "test__replies")
    assert TestCommand.objects.get(command_id=command_id).behavior == {"type": "success"}


def test_every_option_of_one_command_reaches_it(manage_py: CommandLine, tmp_path: Path) -> None:
    payload = tmp_path / "payload.json"
    payload.write_text('{"order": 7}')
    words = (
        "--behavior=fail_permanent", "--execution-time-ms=5", "--error-code=NO_FUNDS", "--error-message=none left",
        f"--payload=@{payload}", "--max-attempts=7", f"--correlation-id={ID}", f"--command-id={ID}", "--no-reply",
    )  # fmt: skip
    assert manage_py("send", *words).out == f"{ID}\n"
    found, asked = Command.objects.get(command_id=ID), TestCommand.objects.get(command_id=ID)
    assert asked.behavior == {
        "type": "fail_permanent", "execution_time_ms": 5, "error_code": "NO_FUNDS", "error_message": "none left",
    }  # fmt: skip
    assert asked.payload == {"order": 7}
    assert (found.max_attempts, str(found.correlation_id), found.reply_queue) == (7, ID, "")


def test_a_payload_comes_from_stdin_with_every_digit(manage_py: CommandLine) -> None:
    number = "0.1000000000000000000000000000000001"
    answer = manage_py("send", "--behavior=success", "--payload=-", "--json", stdin=f'{{"n": {number}}}')
    assert answer.code == 0
    assert f'"payload": {{"n": {number}}}' in answer.out
    assert answer.json["status"] == "PENDING"


def test_another_domain_gets_what_is_sent_to_it(manage_py: CommandLine) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO commandbus.domain (name) VALUES ('orders')")
    answer = manage_py("send", "--behavior=success", "--domain=orders")
    with connection.cursor() as cursor:
        cursor.execute("SELECT message ->> 'command_id' FROM pgmq.q_orders__commands")
        assert cursor.fetchall() == [(answer.out.strip(),)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--behavior is needed: one of success, "),
        (["--behavior=succes"], "--behavior must be one of success, "),
        (["--behavior=success", "--execution-time-ms=-1"], "--execution-time-ms must be a whole number from 0 to "),
        (["--behavior=success", "--error-code=X"], "--error-code: 'error_code' does not apply to success; "),
        (["--behavior=success", "--max-attempts=0"], "--max-attempts must be a whole number from 1 to "),
        (["--behavior=success", "--payload=[1]"], "--payload must be a JSON object, not a list."),
        (["--behavior=success", "--payload={"], "--payload: Not valid JSON: "),
        (["--behavior=success", "--payload=@/no/such/file"], "--payload: @/no/such/file cannot be read: "),
        (["--behavior=success", "--command-id=1"], "--command-id must be a UUID, "),
        (["--behavior=success", "--correlation-id=1"], "--correlation-id must be a UUID, "),
        (["--behavior=success", "--domain=none"], "--domain must be one of test, not 'none'."),
        (["--behavior=success", "--seed=1"], "--count is needed for many: "),
        (["--behavior=success", "--in-turn"], "--count is needed for many: "),
        (["--behavior=success", "--wait=soon"], "--wait must be a number from 0 to 86,400 (seconds), not 'soon'."),
        (["--count=5"], "--behavior or --mix says what many commands do: one of them."),
        (["--count=5", "--mix=success=1", "--behavior=success"], "--behavior or --mix says what many commands do"),
        (["--count=0", "--behavior=success"], "--count must be a whole number from 1 to 1,000,000."),
        (["--mix=success=1"], "--count must be a whole number from 1 to 1,000,000."),
        (["--count=5", "--mix=none=1"], "--mix: 'none' is no behavior; there are success, "),
        (["--count=5", "--mix=success=x"], "--mix: success needs a weight from 0 to "),
        (["--count=5", "--mix=timeout:x=1"], "--mix: timeout needs a whole number behind the colon, "),
        (["--count=5", "--mix=fail_transient_then_succeed:101=1"], "--mix: fail_transient_then_succeed: transient"),
        (["--count=5", "--mix=success=1", "--error-code=X"], "--error-code does not apply to success."),
        (["--count=5", "--behavior=success", f"--command-id={ID}"], "--correlation-id, --command-id are of one "),
        (["--count=5", "--behavior=success", "--operator= "], "--operator must be a name"),
        (["--count=5", "--behavior=success", f"--operator={'x' * 151}"], "--operator must be a user name of at most"),
        (["--count=5", "--behavior=success", "--rate=0"], "--rate must be a whole number from 1 to 100,000."),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_option(manage_py: CommandLine, words: list[str], said: str) -> None:
    answer = manage_py("send", *words)
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith(f"CommandError: {said}")
    assert not Command.objects.exists()
    assert not Operation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_id_that_is_taken_is_refused(manage_py: CommandLine) -> None:
    assert manage_py("send", "--behavior=success", f"--command-id={ID}").code == 0
    again = manage_py("send", "--behavior=fail_permanent", f"--command-id={ID}")
    assert (again.code, again.out) == (2, "")
    assert again.err == f"CommandError: --command-id: there is a command {ID} already.\n"


def test_many_are_sent_when_the_command_returns_by_an_operation_that_is_recorded(manage_py: CommandLine) -> None:
    words = ("--count=20", "--mix=success=3,fail_transient_then_succeed:2=1", "--in-turn", "--execution-time-ms=1")
    answer = manage_py("send", *words, "--operator=ada", "--reason=a try", "--max-attempts=4")
    operation = Operation.objects.get()
    assert answer.code == 0
    of = f"correlation id {operation.correlation_id}"
    assert answer.out == f"Operation {operation.operation_id}: 20 commands sent, {of}.\n"
    assert (operation.state, operation.done, operation.operator, operation.reason) == ("done", 20, "ada", "a try")
    asked = list(TestCommand.objects.order_by("id").values_list("behavior", flat=True))
    first = {"type": "success", "execution_time_ms": 1}
    second = {"type": "fail_transient_then_succeed", "execution_time_ms": 1, "transient_failures": 2}
    assert asked == [first, second] * 10
    assert set(Command.objects.values_list("max_attempts", "correlation_id")) == {(4, operation.correlation_id)}


def test_the_same_seed_sends_the_same_and_is_said(manage_py: CommandLine) -> None:
    words = ("--count=30", "--mix=success=1,fail_permanent=1", "--json", "--operator=ada")
    first = manage_py("send", *words, "--seed=7")
    drawn = list(TestCommand.objects.order_by("id").values_list("behavior__type", flat=True))
    assert "The seed is 7: " in manage_py("send", *words[:2], "--seed=7").err
    assert list(TestCommand.objects.order_by("id").values_list("behavior__type", flat=True)[30:]) == drawn
    assert set(drawn) == {"success", "fail_permanent"}
    told = first.json["operation"]
    assert (told["kind"], told["state"], told["wanted"], told["done"]) == ("send", "done", 30, 30)
    assert told["id"] == Operation.objects.order_by("operation_id").values_list("operation_id", flat=True)[0]


def test_the_operator_is_the_user_of_the_system_unless_another_is_named(
    manage_py: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    manage_py("send", "--count=1", "--behavior=success")
    assert Operation.objects.get().operator == "grace"


def test_a_rate_that_takes_longer_than_the_wait_leaves_the_rest_to_workers(manage_py: CommandLine) -> None:
    answer = manage_py("send", "--count=50", "--behavior=success", "--rate=20", "--wait=0.3")
    operation = Operation.objects.get()
    assert answer.code == 3
    assert 0 < operation.done < 50
    assert f"The time is up: {operation.done} of 50 sent. Workers and manage.py operate go on with it" in answer.err


@pytest.mark.django_db(transaction=True)
def test_what_ended_otherwise_is_counted_with_the_ids_of_some(bus: HandBus, manage_py: CommandLine) -> None:
    def end_all() -> set[UUID]:
        """Every command succeeds but two, which are parked; their ids."""
        begun: dict[UUID, Json] = {}
        while len(begun) < 10:
            begun |= bus.receive(100)["commands"]
        kinds = ["permanent"] * 2 + ["success"] * 8
        bus.finish(*[outcome(i, begun[i], kind) for i, kind in zip(begun, kinds, strict=True)])
        return set(list(begun)[:2])

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(end_all)
        answer = manage_py("send", "--count=10", "--behavior=success", "--wait=30", "--json")
    told = answer.json
    assert (answer.code, told["verdict"], told["disagreeing"]) == (1, "MISMATCH", 2)
    assert told["reason"] == "2 of 10 ended otherwise than their behaviors say."
    assert told["standing"] == {"COMPLETED": 8, "IN_TROUBLESHOOTING_QUEUE": 2}
    wrong = told["ends"][1]
    assert (wrong["status"], wrong["expected"], wrong["agrees"]) == ("IN_TROUBLESHOOTING_QUEUE", ["COMPLETED"], False)
    assert {UUID(command_id) for command_id in wrong["samples"]} == ending.result()


def test_settings_that_change_meanwhile_leave_nothing_to_be_judged(manage_py: CommandLine) -> None:
    before = Configuration.load()
    Configuration.change({"max_attempts": 5}, version=before.version, by="grace")
    judged = sent.outcome(uuid4(), sent=0, before=before, standing={})
    assert judged.verdict == Verdict.UNKNOWN
    assert judged.reason.startswith("The settings were changed by grace meanwhile: ")


def test_a_database_that_is_away_is_one_line(
    manage_py: CommandLine, django_uses: Callable[[str], None], missing_database: Callable[[], str]
) -> None:
    django_uses(missing_database())
    answer = manage_py("send", "--behavior=success")
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith("CommandError: The database cannot be used: ")
