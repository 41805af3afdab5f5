"""How values look to people."""

from datetime import UTC, datetime, timedelta

import pytest

from commands.rules import formatting
from commands.rules.formatting import Count
from commands.rules.words import EventType, Status


def test_every_status_and_every_event_has_a_look_of_its_own() -> None:
    assert set(formatting.STATUS_STYLES) == set(Status)
    assert set(formatting.EVENT_STYLES) == set(EventType)


def test_no_two_statuses_share_icon_or_colour() -> None:
    styles = formatting.STATUS_STYLES.values()
    assert len({look.icon for look in styles}) == len({look.tone for look in styles}) == len(styles)


def test_an_unknown_status_still_has_a_look() -> None:
    assert formatting.status_style("NEW_IN_0_3").icon == "info"


@pytest.mark.parametrize(
    ("count", "text"),
    [(Count(0), "0"), (Count(12345), "12,345"), (Count(10000, "+"), "10,000+"), (Count(7, "≈"), "≈ 7")],
)
def test_a_count_says_how_exact_it_is(count: Count, text: str) -> None:
    assert str(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-90, "now"),
        (0.9, "now"),
        (1, "1 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (2e5, "2 d ago"),
    ],
)
def test_what_is_past_has_one_unit_and_is_never_to_come(seconds: float, text: str) -> None:
    assert formatting.since(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(-90, "now"), (0.9, "now"), (1, "in 1 s"), (90, "in 1 min")])
def test_what_is_to_come_has_one_unit_and_is_never_past(seconds: float, text: str) -> None:
    assert formatting.until(seconds) == text


def test_a_clock_says_the_date_where_it_is_not_todays() -> None:
    moment = datetime(2026, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    assert formatting.clock(moment, moment) == "23:59:59.999"
    assert formatting.clock(moment, moment + timedelta(seconds=1)) == "2026-01-01 23:59:59.999"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (999.6, "1 s"),
        (1000, "1 s"),
        (1500, "1.5 s"),
        (59_994, "59.99 s"),
        (59_999, "1 min"),
        (90_000, "1 min 30 s"),
        (3_600_000, "1 h"),
        (3_660_000, "1 h 1 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_two_units_at_most(milliseconds: float, text: str) -> None:
    assert formatting.duration(milliseconds) == text


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ('{"n": 12345678901234567890, "é": "ü"}', '{\n  "n": 12345678901234567890,\n  "é": "ü"\n}'),
        ('{"a": 1e400, "b": 0.10000000000000000001}', '{\n  "a": 1e400,\n  "b": 0.10000000000000000001\n}'),
        (
            '{"a": [], "b": {}, "c": [1, [true]]}',
            '{\n  "a": [],\n  "b": {},\n  "c": [\n    1,\n    [\n      true\n    ]\n  ]\n}',
        ),
        ('{"a": "{\\\\\\"[,:"}', '{\n  "a": "{\\\\\\"[,:"\n}'),
        ('"a\u202eb"', '"a\\u202eb"'),
        ("null", "null"),
        ('{"cut": "in the mid', '{\n  "cut": "in the mid'),
        ('{"cut": "at an escape\\', '{\n  "cut": "at an escape\\'),
    ],
)
def test_json_is_shown_as_it_is_stored(stored: str, shown: str) -> None:
    assert formatting.pretty_json(stored) == shown


def test_json_of_any_size_and_depth_is_shown() -> None:
    assert formatting.pretty_json("1" * 5000) == "1" * 5000
    deep = formatting.pretty_json("[" * 5000 + "1,2" + "]" * 5000)
    assert "[[[1, 2]]]" in deep
    assert len(deep.replace("\n", "").replace("  ", "")) == 10_004
    assert len(deep) < 11_000  # what is nested deeply is not indented further and further


@pytest.mark.parametrize(
    ("details", "text"),
    [
        (None, ""),
        ("stored, and no object", ""),
        ({}, ""),
        ({"attempt": 2, "max_attempts": 3}, "attempt 2 of 3"),
        ({"attempt": 1, "error_code": "A", "error_msg": "b", "delay_ms": 500}, "attempt 1, A: b, next in 500 ms"),
        ({"attempt": 1, "delay_ms": "soon"}, "attempt 1"),
        ({"reason": "bad command_id", "msg_id": 1}, "bad command_id"),
        ({"attempt": 3, "error_code": "LEASE_EXPIRED", "reason": "LEASE_EXPIRED"}, "attempt 3, LEASE_EXPIRED"),
        ({"operator": "ada"}, "by ada"),
    ],
)
def test_an_event_is_summed_up_in_one_line(details: object, text: str) -> None:
    assert ", ".join(map(str, formatting.event_summary(details))) == text
