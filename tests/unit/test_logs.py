"""e2e_site/logs.py: a log line for people, and one for programs."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from uuid import UUID

import pytest

from e2e_site.logs import JsonFormatter, TextFormatter

MOMENT = datetime(2026, 3, 1, 12, 30, 1, 250_000, tzinfo=UTC)
COMMAND_ID = UUID("6f1f7c0e-8f0a-4a53-9e7c-0b1f6b3a2d11")

Line = Callable[..., str]


def _printed(formatter: logging.Formatter, level: int, message: str, *args: object, **options: object) -> str:
    """What a handler with this formatter writes for one call of a logger at `MOMENT`, the line's end taken off."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.addFilter(_at_moment)
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    try:
        logger.log(level, message, *args, **options)  # type: ignore[arg-type]  # exc_info and extra, as given
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue().endswith("\n")
    return stream.getvalue()[:-1]


def _at_moment(record: logging.LogRecord) -> bool:
    record.created, record.msecs = MOMENT.timestamp(), 250.0
    return True


@pytest.fixture
def text() -> Line:
    return lambda *args, **options: _printed(TextFormatter(), *args, **options)


@pytest.fixture
def as_json() -> Line:
    return lambda *args, **options: _printed(JsonFormatter(), *args, **options)


def test_a_text_line_is_time_in_utc_level_and_message(text: Line) -> None:
    assert text(logging.INFO, "worker %s", "started") == "12:30:01.250 INFO    worker started"


def test_a_text_line_ends_with_what_it_is_about_but_not_with_the_action_that_the_message_says(text: Line) -> None:
    extra = {"action": "completed", "command_id": COMMAND_ID, "attempt": "1/3"}
    line = text(logging.WARNING, "completed", extra=extra)
    assert line == f"12:30:01.250 WARNING completed  command_id={COMMAND_ID} attempt=1/3"


def test_a_text_line_is_followed_by_the_traceback(text: Line) -> None:
    with pytest.raises(ValueError) as caught:
        int("twelve")
    first, *rest = text(logging.ERROR, "handler raised", exc_info=caught.value).splitlines()
    assert first == "12:30:01.250 ERROR   handler raised"
    assert rest[0] == "  Traceback (most recent call last):"
    assert rest[-1].startswith("  ValueError: invalid literal for int()")


FORGED = "X\n12:30:01.250 INFO    completed\r\t\x1b[31m\x85\u2028\u202e\ud800é"
ESCAPED = r"X\n12:30:01.250 INFO    completed\r\t\x1b[31m\x85\u2028\u202e\ud800é"


def test_nothing_that_a_text_line_is_about_begins_another_line(text: Line) -> None:
    printed = text(logging.ERROR, "code %s", FORGED, extra={"error": FORGED}, exc_info=ValueError(FORGED))
    first, *rest = printed.split("\n")
    assert first == f"12:30:01.250 ERROR   code {ESCAPED}  error={ESCAPED}"
    assert all(line.startswith("  ") for line in rest)
    assert {letter for letter in printed if not letter.isprintable()} == {"\n"}


def test_the_megabytes_of_an_error_are_not_printed(text: Line, as_json: Line) -> None:
    for line in (text, as_json):
        assert len(line(logging.ERROR, "raised", exc_info=ValueError("x" * 5_000_000))) < 20_000


def test_a_json_line_holds_time_level_logger_message_and_extras(as_json: Line) -> None:
    entry = json.loads(as_json(logging.INFO, "took %d ms", 12, extra={"action": "completed", "ms": 12}))
    assert entry == {
        "ts": "2026-03-01T12:30:01.250+00:00",
        "level": "INFO",
        "logger": "tests.logs",
        "message": "took 12 ms",
        "action": "completed",
        "ms": 12,
    }


def test_a_json_line_writes_as_text_what_json_has_no_word_for(as_json: Line) -> None:
    entry = json.loads(as_json(logging.INFO, "sent", extra={"command_id": COMMAND_ID, "at": MOMENT}))
    assert (entry["command_id"], entry["at"]) == (str(COMMAND_ID), str(MOMENT))


def test_a_json_entry_is_one_line_whatever_the_message_and_the_traceback_hold(as_json: Line) -> None:
    with pytest.raises(ValueError) as caught:
        int("twelve")
    line = as_json(logging.ERROR, "it\nraised", exc_info=caught.value)
    assert "\n" not in line
    entry = json.loads(line)
    assert entry["message"] == "it\nraised"
    assert entry["exception"].startswith("Traceback (most recent call last):\n")


@pytest.mark.parametrize("name", ["request", "server_time"])
def test_what_djangos_server_hangs_on_a_record_for_itself_is_not_printed(text: Line, as_json: Line, name: str) -> None:
    assert text(logging.INFO, "GET /", extra={name: "theirs"}) == "12:30:01.250 INFO    GET /"
    assert name not in json.loads(as_json(logging.INFO, "GET /", extra={name: "theirs"}))
