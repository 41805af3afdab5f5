"""Downloads of what a list's filter meets: every command once, in chunks, a few downloads at a time."""

import csv
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.db import Error, connection
from django.http import StreamingHttpResponse
from django.test import Client
from pytest_django.fixtures import Settings

from commands.pages import export
from commands.reads import command_reads
from commands.reads.command_reads import COURSES
from e2e_site import limits
from e2e_site.downloads import AT_ONCE, Download
from tests.integration.test_command_list import park
from tests.integration.test_pages import ask, begin, finish, send, text

pytestmark = pytest.mark.django_db

LARGE = {"blob": "x" * 60_000}  # fills most of a piece


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture(autouse=True)
def _all_are_closed() -> Iterator[None]:
    yield
    downloads = [Download(iter([])) for _ in range(AT_ONCE)]
    for download in downloads:
        download.close()


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows a chunk, and looks at four candidates."""
    monkeypatch.setattr(export, "CSV_ROWS", 3)
    monkeypatch.setattr(export, "JSON_ROWS", 3)
    courses = {walk: replace(course, most=4) for walk, course in COURSES.items()}
    monkeypatch.setattr(command_reads, "COURSES", courses)


def ask_for(**query: Any) -> StreamingHttpResponse:
    answer = Client().get(f"/commands/export/?{urlencode(query, doseq=True)}")
    assert answer.status_code == 200, text(answer.text)
    return cast("StreamingHttpResponse", answer)


def body(answer: StreamingHttpResponse) -> str:
    return b"".join(cast("Iterator[bytes]", answer.streaming_content)).decode()


def rows(**query: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body(ask_for(format="csv", **query)), newline="")))


def lines(**query: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body(ask_for(format="jsonl", **query)).splitlines()]


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("count", [0, 1, 3, 4, 12, 13])
def test_every_command_is_there_once(count: int) -> None:
    ids = [str(send()) for _ in range(count)]
    assert [row["command_id"] for row in rows()] == ids[::-1]
    assert [line["command_id"] for line in lines()] == ids[::-1]


@pytest.mark.usefixtures("_small")
def test_a_filter_is_walked_to_the_end() -> None:
    wanted = park(2, error_code="RARE")
    for _ in range(10):
        send()
    wanted += park(1, error_code="RARE")
    expected = [str(command_id) for command_id in wanted[::-1]]
    assert [row["command_id"] for row in rows(code="RARE")] == expected
    assert [row["command_id"] for row in rows(status="IN_TROUBLESHOOTING_QUEUE", size=50)] == expected
    assert rows(code="NONE") == []


def test_a_row_says_what_the_command_is() -> None:
    command_id = send(type="fail_permanent")
    finish(begin()[command_id], "permanent", error_code="+1", error_msg='=HYPERLINK("http://x";"y")')
    answer = ask_for(format="csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="commands-')
    body(answer)
    (row,) = rows()
    assert row["behavior"] == "fail_permanent"
    assert (row["status"], row["attempts"], row["max_attempts"]) == ("IN_TROUBLESHOOTING_QUEUE", "1", "3")
    assert (row["error_type"], row["error_code"], row["error_message"]) == (
        "PERMANENT",
        "'+1",
        '\'=HYPERLINK("http://x";"y")',
    )
    assert row["created_at"].endswith("+00:00")


def test_a_line_has_every_digit() -> None:
    send(payload={"order": 12345678901234567890123, "note": "a\nb"})
    answer = body(ask_for(format="jsonl"))
    assert answer.count("\n") == 1
    assert '"order": 12345678901234567890123' in answer
    assert json.loads(answer)["payload"]["note"] == "a\nb"
    assert json.loads(answer)["behavior"]["type"] == "success"


@pytest.mark.parametrize(
    ("query", "message"),
    [("", "format must be one of csv, jsonl"), ("format=xml", "not &#x27;xml&#x27;"), ("format=csv&id=x", "An id has")],
)
def test_what_cannot_be_asked_is_told(query: str, message: str) -> None:
    answer = Client().get(f"/commands/export/?{query}")
    assert (answer.status_code, message in answer.text) == (400, True)


def test_head_reads_nothing() -> None:
    answer = Client().head("/commands/export/?format=csv")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")


def test_a_few_are_under_way_at_once() -> None:
    under_way = [Download(iter([b"x"])) for _ in range(AT_ONCE)]
    for address in ("/commands/export/?format=csv", "/audit/export/?format=csv"):
        refused = Client().get(address)
        assert (refused.status_code, "4 downloads are under way" in refused.text) == (503, True)
    for download in under_way:
        download.close()
    assert rows() == []


def test_one_that_cannot_begin_leaves_room_for_others() -> None:
    def fails() -> Iterator[bytes]:
        yield bytes(int("not a number"))

    for _ in range(AT_ONCE + 1):
        with pytest.raises(ValueError):
            Download(fails())


@pytest.mark.usefixtures("_small")
def test_each_piece_has_the_limits_of_a_request() -> None:
    for _ in range(7):
        send(payload=LARGE)
    left = []

    def look(execute: Any, *statement: Any) -> Any:
        left.append(limits.seconds_left())
        return execute(*statement)

    with connection.execute_wrapper(look):
        assert len(lines()) == 7
    assert len([seconds for seconds in left if seconds is not None]) == len(left) > 3


@pytest.mark.usefixtures("_small")
def test_a_download_that_breaks_off_says_so(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(7):
        send(payload=LARGE)
    answer = ask_for(format="jsonl")
    content = cast("Iterator[bytes]", answer.streaming_content)
    next(content)
    ask("ALTER TABLE commandbus.command RENAME TO gone")
    with caplog.at_level(logging.WARNING), pytest.raises(Error):
        list(content)
    assert [record.action for record in caplog.records if hasattr(record, "action")] == ["download_broken_off"]


def test_ids_are_whole() -> None:
    command_id = send()
    assert UUID(rows(id=str(command_id))[0]["command_id"]) == command_id
