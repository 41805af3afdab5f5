"""bench/benchmark/cases/snapshot.py: what is read from the ends of each second round a snapshot."""

from bench.benchmark.cases.snapshot import judge


def seconds(before: int, during: int, after: list[int], *, held: int = 10) -> dict[int, int]:
    """Ends by second: five seconds of ``before``, of which two are the ramp, ``held`` of ``during``, and the rest."""
    counts = dict.fromkeys(range(-5, 0), before) | {-5: 1, -4: 2}
    counts |= dict.fromkeys(range(held), during)
    return counts | dict(enumerate(after, held))


def test_rates_are_means_without_the_ramp_of_a_start() -> None:
    found = judge(seconds(1000, 600, [1000] * 8), held_s=10, after_s=8)
    assert (found.before, found.during) == (1000, 600)


def test_a_rate_that_is_back_at_once_took_no_time() -> None:
    assert judge(seconds(1000, 600, [1000] * 8), held_s=10, after_s=8).recovery == 0


def test_it_is_back_when_the_mean_of_two_seconds_is_nine_tenths_of_before() -> None:
    found = judge(seconds(1000, 600, [600, 700, 1000, 800, 900, 900, 1000, 1000]), held_s=10, after_s=8)
    assert found.recovery == 2, "seconds 2 and 3 have a mean of 900; one good second alone is none"


def test_a_rate_that_does_not_come_back_counts_as_all_of_the_time_after() -> None:
    assert judge(seconds(1000, 600, [600] * 8), held_s=10, after_s=8).recovery == 8


def test_a_second_in_which_nothing_ended_counts_as_none() -> None:
    counts = seconds(1000, 600, [1000] * 8)
    del counts[-1], counts[3]
    found = judge(counts, held_s=10, after_s=8)
    assert found.before == 2000 / 3
    assert found.during == 540
    assert (3.0, 0.0) in found.points


def test_the_points_of_its_chart_go_from_the_end_of_the_ramp_to_the_last_full_second() -> None:
    found = judge(seconds(1000, 600, [1000, 1000, 7]), held_s=10, after_s=3)
    assert [at for at, _ in found.points] == [float(second) for second in range(-3, 12)]
