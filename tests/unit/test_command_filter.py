"""Which walk finds what a list of commands is asked for, ids by their beginning, and times as people type them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from commands.rules.command_filter import CommandFilter, Walk, id_range, moment
from commands.rules.words import Status

NOW = datetime(2026, 5, 10, 12, 0, tzinfo=UTC)
TSQ = Status.IN_TROUBLESHOOTING_QUEUE
ENDED = [Status.FAILED, Status.CANCELED]
QUEUED = [Status.PENDING, Status.IN_PROGRESS]
ID = UUID(int=7)


@pytest.mark.parametrize(
    ("asked", "walk"),
    [
        ({}, Walk.SENT),
        ({"statuses": [Status.COMPLETED]}, Walk.SENT),
        ({"statuses": [TSQ]}, Walk.PARKED),
        ({"statuses": [TSQ, Status.FAILED]}, Walk.SENT),
        ({"statuses": ENDED}, Walk.ENDED),
        ({"statuses": [Status.CANCELED], "code": "X"}, Walk.ENDED),
        ({"statuses": QUEUED}, Walk.QUEUED),
        ({"behavior": "success"}, Walk.ASKED),
        ({"text": "x", "since": NOW}, Walk.SENT),
        ({"text": "x", "domain": "orders"}, Walk.SENT),
        ({"correlations": [ID], "statuses": [TSQ]}, Walk.CORRELATION),
        ({"ids": (ID, ID), "correlations": [ID]}, Walk.IDS),
        ({"operation": 3, "ids": (ID, ID)}, Walk.OPERATION),
    ],
)
def test_the_narrowest_index_is_walked(asked: dict[str, Any], walk: Walk) -> None:
    assert CommandFilter(**asked).walk == walk


@pytest.mark.parametrize(
    ("asked", "counted", "every"),
    [
        ({}, True, True),
        ({"since": NOW}, True, True),
        ({"statuses": [TSQ], "code": "X", "behavior": "success"}, True, True),
        ({"statuses": [TSQ], "attempts": 2}, True, True),
        ({"statuses": [TSQ], "command_type": "X"}, False, False),
        ({"statuses": ENDED}, True, True),
        ({"statuses": QUEUED}, True, True),
        ({"statuses": QUEUED[:1]}, True, False),
        ({"statuses": [Status.COMPLETED]}, False, False),
        ({"correlations": [ID]}, True, True),
        ({"correlations": [ID, uuid4()]}, False, False),
        ({"ids": (ID, ID), "statuses": [TSQ]}, False, False),
    ],
)
def test_what_an_index_answers_is_counted(asked: dict[str, Any], counted: bool, every: bool) -> None:
    chosen = CommandFilter(**asked)
    assert (chosen.is_counted, chosen.shows_every_candidate) == (counted, every)


def test_an_id_is_found_by_its_beginning_with_or_without_dashes() -> None:
    first, last = UUID("0193ab00-0000-0000-0000-000000000000"), UUID("0193abff-ffff-ffff-ffff-ffffffffffff")
    assert id_range("0193ab") == id_range(" 0193-AB ") == (first, last)
    assert id_range(str(ID)) == (ID, ID)


@pytest.mark.parametrize("typed", ["", "-", "xyz", "0193g", "0" * 33, "٣"])
def test_no_id_begins_with_anything_else(typed: str) -> None:
    assert id_range(typed) is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("15min", NOW - timedelta(minutes=15)),
        ("24h", NOW - timedelta(days=1)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01 14:30", datetime(2026, 5, 1, 14, 30, tzinfo=UTC)),
        ("2026-05-01T14:30:00+02:00", datetime(2026, 5, 1, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_time_or_an_age(typed: str, meant: datetime) -> None:
    assert moment(typed, NOW) == meant


@pytest.mark.parametrize(
    "typed", ["", "yesterday", "h", "-3h", "1.5h", "2026-13-01", "999999d", "0001-01-01T00:00+14:00", "99999999d"]
)
def test_no_time_is_anything_else(typed: str) -> None:
    assert moment(typed, NOW) is None
