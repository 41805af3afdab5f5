"""How values look to people."""

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
        (0.4, "now"),
        (-0.4, "now"),
        (1, "1 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (-90, "in 1 min"),
        (7200, "2 h ago"),
        (200_000, "2 d ago"),
    ],
)
def test_a_relative_time_has_one_unit(seconds: float, text: str) -> None:
    assert formatting.relative(seconds) == text


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


def test_json_keeps_every_digit_and_every_letter() -> None:
    assert (
        formatting.pretty_json({"n": 12345678901234567890, "é": "ü"})
        == '{\n  "n": 12345678901234567890,\n  "é": "ü"\n}'
    )


@pytest.mark.parametrize(
    ("details", "text"),
    [
        (None, ""),
        ({}, ""),
        ({"attempt": 2, "max_attempts": 3}, "attempt 2 of 3"),
        ({"attempt": 1, "error_code": "A", "error_msg": "b", "delay_ms": 500}, "attempt 1, A: b, next in 500 ms"),
        ({"reason": "bad command_id", "msg_id": 1}, "bad command_id"),
        ({"attempt": 3, "error_code": "LEASE_EXPIRED", "reason": "LEASE_EXPIRED"}, "attempt 3, LEASE_EXPIRED"),
        ({"operator": "ada"}, "by ada"),
    ],
)
def test_an_event_is_summed_up_in_one_line(details: dict[str, object] | None, text: str) -> None:
    assert formatting.event_summary(details) == text
