"""settings_app/backoff.py: how long a retry waits."""

import pytest

from settings_app.backoff import backoff_ms, library_schedule


def test_each_retry_waits_a_multiple_of_the_one_before_up_to_the_most() -> None:
    waits = [backoff_ms(k, base_delay_ms=1000, max_delay_ms=60_000, multiplier=2.0) for k in range(1, 9)]
    assert waits == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]


def test_a_multiplier_with_decimals_is_rounded_to_the_millisecond() -> None:
    waits = [backoff_ms(k, base_delay_ms=1000, max_delay_ms=60_000, multiplier=1.1) for k in range(1, 6)]
    assert waits == [1000, 1100, 1210, 1331, 1464]


def test_a_multiplier_of_one_waits_the_same_each_time() -> None:
    assert {backoff_ms(k, base_delay_ms=250, max_delay_ms=60_000, multiplier=1.0) for k in range(1, 101)} == {250}


def test_no_delay_stays_no_delay() -> None:
    assert {backoff_ms(k, base_delay_ms=0, max_delay_ms=60_000, multiplier=10.0) for k in range(1, 101)} == {0}


def test_a_most_of_zero_wins() -> None:
    assert backoff_ms(5, base_delay_ms=0, max_delay_ms=0, multiplier=2.0) == 0


@pytest.mark.parametrize("multiplier", [10.0, 1e300])
def test_no_attempt_and_no_multiplier_overflows(multiplier: float) -> None:
    wait = backoff_ms(10_000, base_delay_ms=1, max_delay_ms=86_400_000, multiplier=multiplier)
    assert wait == 86_400_000


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt: int) -> None:
    with pytest.raises(ValueError, match="counts from 1"):
        backoff_ms(attempt, base_delay_ms=1, max_delay_ms=1, multiplier=1.0)


def test_the_library_gets_one_step_per_retry_in_whole_seconds_rounded_up() -> None:
    assert library_schedule(5, base_delay_ms=600, max_delay_ms=3500, multiplier=2.0) == [1, 2, 3, 4]


def test_the_library_gets_no_step_where_there_is_no_retry_and_zeros_where_there_is_no_delay() -> None:
    assert library_schedule(1, base_delay_ms=1000, max_delay_ms=60_000, multiplier=2.0) == []
    assert library_schedule(3, base_delay_ms=0, max_delay_ms=60_000, multiplier=2.0) == [0, 0]
