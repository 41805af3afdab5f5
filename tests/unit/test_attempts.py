"""commands/worker/attempts.py: every way in which a handler can end becomes one outcome."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from commandbus import (
    BusinessRuleException,
    Command,
    HandlerContext,
    HandlerRegistry,
    PermanentCommandError,
    TransientCommandError,
)

from commands.rules.words import OutcomeKind
from commands.worker import reading
from commands.worker.attempts import Attempt, Outcome, perform
from settings_app.values import WorkerSettings

COMMAND_ID = UUID("6f1f7c0e-8f0a-4a53-9e7c-0b1f6b3a2d11")
CORRELATION_ID = UUID("0d0f5a3e-2a8c-4a0e-8a5e-6a0a7f1f6f10")
SETTINGS = WorkerSettings(
    visibility_timeout=30,
    concurrency=4,
    poll_interval=1.0,
    batch_size=10,
    max_attempts=3,
    base_delay_ms=100,
    max_delay_ms=350,
    backoff_multiplier=2.0,
    heartbeat=False,
    paused=False,
    version=1,
)

Handler = Callable[[Command, HandlerContext], Any]
MakeAttempt = Callable[..., Attempt]


@pytest.fixture
def make_attempt() -> MakeAttempt:
    """Makes attempts as ``receive_commands`` answers them; a keyword replaces one value of the array."""

    def make(**values: object) -> Attempt:
        row = {
            "msg_id": 7,
            "command_id": str(COMMAND_ID),
            "command_type": "TestCommand",
            "data": {"a": 1},
            "correlation_id": str(CORRELATION_ID),
            "reply_to": "test__replies",
            "created_at": "2026-03-01T12:30:01.25+00:00",
            "attempt": 2,
            "max_attempts": 3,
            "life_attempt": 5,
            "behavior": {"type": "success"},
        }
        assert values.keys() <= row.keys()
        return Attempt.from_row("test", list({**row, **values}.values()), SETTINGS, time.monotonic())

    return make


def _ended(attempt: Attempt, handler: Handler) -> Outcome:
    registry = HandlerRegistry()
    registry.register("test", "TestCommand", handler)
    return asyncio.run(perform(registry, attempt))


def _raising(error: BaseException) -> Handler:
    async def handler(command: Command, context: HandlerContext) -> None:
        raise error

    return handler


def _returning(result: object) -> Handler:
    async def handler(command: Command, context: HandlerContext) -> object:
        return result

    return handler


def test_a_received_row_becomes_the_command_and_the_context_that_the_library_knows(make_attempt: MakeAttempt) -> None:
    attempt = make_attempt()
    assert attempt.context.command == Command(
        domain="test",
        command_type="TestCommand",
        command_id=COMMAND_ID,
        data={"a": 1},
        correlation_id=CORRELATION_ID,
        reply_to="test__replies",
        created_at=datetime(2026, 3, 1, 12, 30, 1, 250_000, tzinfo=UTC),
    )
    context = attempt.context
    assert (context.msg_id, context.attempt, context.max_attempts) == (7, 2, 3)
    assert (context.life_attempt, context.behavior) == (5, {"type": "success"})


def test_a_command_without_correlation_reply_and_test_command_row_can_be_received(make_attempt: MakeAttempt) -> None:
    attempt = make_attempt(correlation_id=None, reply_to=None, life_attempt=None, behavior=None)
    assert (attempt.context.command.correlation_id, attempt.context.command.reply_to) == (None, None)
    assert (attempt.context.life_attempt, attempt.context.behavior) == (0, None)


@pytest.mark.parametrize("result", [{"status": "success"}, None, [1, "a"], "täxt", {"big": 10**30}])
def test_a_handler_that_returns_is_a_success_with_its_result(make_attempt: MakeAttempt, result: object) -> None:
    outcome = _ended(make_attempt(), _returning(result))
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.SUCCESS, None)
    assert json.loads(outcome.to_json())["result"] == result


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TransientCommandError("BUSY", "Try later", {"after": 5}), OutcomeKind.TRANSIENT),
        (PermanentCommandError("BROKEN", "It is broken", {"part": "a"}), OutcomeKind.PERMANENT),
        (BusinessRuleException("LIMIT", "Too much", {"limit": 10}), OutcomeKind.BUSINESS_RULE),
    ],
)
def test_each_of_the_librarys_errors_is_its_kind_with_its_code_message_and_details(
    make_attempt: MakeAttempt,
    error: TransientCommandError | PermanentCommandError | BusinessRuleException,
    kind: OutcomeKind,
) -> None:
    outcome = _ended(make_attempt(), _raising(error))
    assert (outcome.kind, outcome.error_code, outcome.error_msg) == (kind, error.code, error.error_message)
    assert outcome.error_details == error.details
    assert outcome.result is None


def test_an_error_without_details_has_none(make_attempt: MakeAttempt) -> None:
    assert _ended(make_attempt(), _raising(TransientCommandError("BUSY", "Try later"))).error_details is None


def test_details_that_cannot_be_stored_are_left_out_and_the_outcome_says_why(make_attempt: MakeAttempt) -> None:
    outcome = _ended(
        make_attempt(), _raising(PermanentCommandError("BROKEN", "It is broken", {"at": datetime.now(UTC)}))
    )
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.PERMANENT, "BROKEN")
    assert "error_details must hold JSON" in json.loads(outcome.to_json())["error_details"]["left_out"]


def test_any_other_error_is_transient_named_after_its_class_and_logged_with_the_command(
    make_attempt: MakeAttempt, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = _ended(make_attempt(), _raising(ZeroDivisionError("by zero " + "x" * 9000)))
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.TRANSIENT, "ZeroDivisionError")
    assert outcome.error_msg is not None
    assert outcome.error_msg.startswith("by zero x")
    assert outcome.error_msg.endswith("x… (847 characters left out)")
    assert len(outcome.error_msg.encode()) <= 8192
    (record,) = [record for record in caplog.records if vars(record).get("action") == "handler_raised"]
    assert record.levelno == logging.ERROR
    assert vars(record)["command_id"] == COMMAND_ID


def test_a_command_type_without_a_handler_is_transient(make_attempt: MakeAttempt) -> None:
    outcome = _ended(make_attempt(command_type="Unheard"), _returning({}))
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.TRANSIENT, "HandlerNotFoundError")


@pytest.mark.parametrize(
    "value", [datetime.now(UTC), float("nan"), pytest.param(10**5000, id="long number"), "x" * 70_000]
)
def test_a_result_that_cannot_be_stored_is_a_failure_of_the_handler(make_attempt: MakeAttempt, value: object) -> None:
    outcome = _ended(make_attempt(), _returning({"value": value}))
    assert (outcome.kind, outcome.error_code, outcome.result) == (OutcomeKind.TRANSIENT, "INVALID_RESULT", None)
    assert (outcome.error_msg or "").startswith("result must")


def test_characters_of_a_result_that_cannot_be_stored_are_replaced_and_it_stays_a_success(
    make_attempt: MakeAttempt,
) -> None:
    outcome = _ended(make_attempt(), _returning({"value": ["NUL \0", {"half \ud800": "\udc00 \U0001f600"}]}))
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.SUCCESS, None)
    assert json.loads(outcome.result or "") == {"value": ["NUL \ufffd", {"half \ufffd": "\ufffd \U0001f600"}]}


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class ForgetfulError(PermanentCommandError):
    def __init__(self, host: str) -> None:
        self.host = host


class OddError(PermanentCommandError):
    def __init__(self) -> None:
        Exception.__init__(self, "odd")

    def __getattribute__(self, name: str) -> Any:
        if name in ("code", "error_message", "details"):
            raise RuntimeError(name)
        return super().__getattribute__(name)


def _raised(error: Any, *said: Any) -> BaseException:
    """An error of any class about anything, which types would forbid."""
    raised: BaseException = error(*said)
    return raised


ODD: list[tuple[BaseException, OutcomeKind, str, str]] = [
    (TransientCommandError("NET", "got 'a\0b'"), OutcomeKind.TRANSIENT, "NET", "got 'a\ufffdb'"),
    (PermanentCommandError("N\0", "half \ud83d"), OutcomeKind.PERMANENT, "N\ufffd", "half \ufffd"),
    (BusinessRuleException("B", "\udc00\n\x1b[31m"), OutcomeKind.BUSINESS_RULE, "B", "\ufffd\n\x1b[31m"),
    (ValueError("a\0b"), OutcomeKind.TRANSIENT, "ValueError", "a\ufffdb"),
    (PermanentCommandError("", ""), OutcomeKind.PERMANENT, "PermanentCommandError", ""),
    (_raised(PermanentCommandError, None, None), OutcomeKind.PERMANENT, "PermanentCommandError", ""),
    (OddError(), OutcomeKind.PERMANENT, "OddError", "odd"),
    (_raised(TransientCommandError, 404, 7), OutcomeKind.TRANSIENT, "404", "7"),
    (MuteError(), OutcomeKind.TRANSIENT, "MuteError", "MuteError that has no text"),
    (ForgetfulError("db1"), OutcomeKind.PERMANENT, "ForgetfulError", "db1"),
    (PermanentCommandError("é" * 200, "é" * 5_000_000), OutcomeKind.PERMANENT, "é" * 99 + "…", "é" * 4078),
    (SystemExit(3), OutcomeKind.TRANSIENT, "SystemExit", "3"),
    (KeyboardInterrupt(), OutcomeKind.TRANSIENT, "KeyboardInterrupt", ""),
    (GeneratorExit(), OutcomeKind.TRANSIENT, "GeneratorExit", ""),
    (asyncio.CancelledError(), OutcomeKind.TRANSIENT, "CancelledError", ""),
]


@pytest.mark.parametrize(("error", "kind", "code", "message"), ODD, ids=[str(index) for index in range(len(ODD))])
def test_whatever_a_handler_raises_is_an_outcome_of_its_kind_in_words_that_can_be_stored(
    make_attempt: MakeAttempt, error: BaseException, kind: OutcomeKind, code: str, message: str
) -> None:
    outcome = _ended(make_attempt(), _raising(error))
    assert (outcome.kind, outcome.error_code) == (kind, code)
    assert (outcome.error_msg or "").split("… (")[0] == message
    assert len((outcome.error_msg or "").encode()) <= 8192
    outcome.to_json().encode()


def test_details_are_stored_with_replacements_or_say_why_they_are_left_out(make_attempt: MakeAttempt) -> None:
    too_long = {"left_out": "error_details must be at most 65,536 bytes (64 KiB) of JSON, not 70,008."}
    for details, stored in (
        ({"a\0": ["\ud800"]}, {"a\ufffd": ["\ufffd"]}),
        ([1, "two"], [1, "two"]),
        ({"a": "x" * 70_000}, too_long),
    ):
        error = _raised(PermanentCommandError, "A", "b", details)
        assert _ended(make_attempt(), _raising(error)).error_details == stored


def test_a_handler_that_cancels_itself_has_failed(make_attempt: MakeAttempt) -> None:
    async def cancel_oneself(command: Command, context: HandlerContext) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.Event().wait()

    outcome = _ended(make_attempt(), cancel_oneself)
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.TRANSIENT, "CancelledError")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": reading.any_value("1" * 5000)}, "Its data cannot be read: a number has more than 4,300 digits."),
        ({"behavior": reading.any_value("[" * 200_000 + "]" * 200_000)}, "Its behavior cannot be read: it is nested"),
        ({"created_at": "infinity"}, "Its created_at cannot be read: Invalid isoformat string: 'infinity'"),
        ({"created_at": "0044-03-15T00:00:00+00:00 BC"}, "Its created_at cannot be read: Invalid isoformat"),
        ({"created_at": 7}, "Its created_at cannot be read: fromisoformat: argument must be str"),
        ({"correlation_id": "x"}, "Its correlation_id cannot be read: badly formed hexadecimal UUID string"),
    ],
)
def test_a_command_that_cannot_be_read_is_parked_and_no_handler_gets_it(
    make_attempt: MakeAttempt, values: dict[str, Any], message: str
) -> None:
    outcome = _ended(make_attempt(**values), _returning({}))
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.PERMANENT, "UNREADABLE")
    assert (outcome.error_msg or "").startswith(message)
    assert len(outcome.error_msg or "") < 400


def test_an_attempt_that_its_worker_gives_up_has_no_outcome(make_attempt: MakeAttempt) -> None:
    async def wait_for_ever(command: Command, context: HandlerContext) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def cancel_it() -> None:
        registry = HandlerRegistry()
        registry.register("test", "TestCommand", wait_for_ever)
        attempt = make_attempt()
        task = asyncio.create_task(perform(registry, attempt))
        await begun.wait()
        attempt.given_up = True
        task.cancel()
        await task

    begun = asyncio.Event()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel_it())


@pytest.mark.parametrize(("attempt", "delay_ms"), [(1, 100), (2, 200), (3, 350)])
def test_a_transient_failure_asks_for_the_backoff_of_its_attempt_by_the_settings_it_was_received_with(
    make_attempt: MakeAttempt, attempt: int, delay_ms: int
) -> None:
    outcome = _ended(make_attempt(attempt=attempt), _raising(TransientCommandError("BUSY", "Try later")))
    assert json.loads(outcome.to_json())["delay_ms"] == delay_ms


@pytest.mark.parametrize(
    "handler",
    [
        _returning({}),
        _raising(PermanentCommandError("BROKEN", "It is broken")),
        _raising(BusinessRuleException("LIMIT", "Too much")),
    ],
    ids=["success", "permanent", "business_rule"],
)
def test_an_end_without_a_retry_asks_for_no_backoff(make_attempt: MakeAttempt, handler: Handler) -> None:
    assert "delay_ms" not in json.loads(_ended(make_attempt(), handler).to_json())


def test_an_outcome_names_its_attempt_by_message_and_number(make_attempt: MakeAttempt) -> None:
    outcome = _ended(make_attempt(), _raising(PermanentCommandError("BROKEN", "It is broken", {"part": "a"})))
    assert json.loads(outcome.to_json()) == {
        "command_id": str(COMMAND_ID),
        "msg_id": 7,
        "attempt": 2,
        "kind": "permanent",
        "error_code": "BROKEN",
        "error_msg": "It is broken",
        "error_details": {"part": "a"},
        "again": False,
    }


@pytest.mark.parametrize(
    ("message", "details"),
    [
        ('é \U0001f600 \u2028 \x01 "', {"ä": [1.5, True, None, "\x7f"]}),
        ("a long number", {"number": 2**70, "negative": -(2**63)}),
    ],
    ids=["every letter", "more than 64 bits"],
)
def test_an_error_is_written_as_it_was_raised_whatever_is_in_it(
    make_attempt: MakeAttempt, message: str, details: dict[str, Any]
) -> None:
    for error in (PermanentCommandError("BROKEN", message, details), TransientCommandError("BROKEN", message, details)):
        written = json.loads(_ended(make_attempt(), _raising(error)).to_json())
        assert (written["error_msg"], written["error_details"]) == (message, details)


def test_a_lease_counts_from_when_it_was_asked_for_and_anew_when_it_was_extended(make_attempt: MakeAttempt) -> None:
    attempt = make_attempt()
    assert attempt.asked <= attempt.began
    assert attempt.lease_ends == attempt.asked + 30
    assert 29 < attempt.lease_left() <= 30
    attempt.lease_ends += 10
    assert 39 < attempt.lease_left() <= 40
