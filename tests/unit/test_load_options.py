"""What a load test may be asked for, and which behaviors it draws."""

from itertools import islice

import pytest
from django.core.management.base import CommandError

from bench.loadtest.styles import command_line
from commands.rules.behaviors import BehaviorType
from commands.rules.mix import MixError, behaviors, drawn, parse_mix
from tests.support.load_runs import options, plan


def test_a_mix_is_read_in_any_order_and_without_what_weighs_nothing() -> None:
    mix = parse_mix("timeout = 0.5, success=70,fail_transient=0")
    assert list(mix.items()) == [(BehaviorType.SUCCESS, 70.0), (BehaviorType.TIMEOUT, 0.5)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sucess=1", "'sucess' is no behavior; there are success, fail_permanent, business_rule, fail_transient, "),
        ("", "'' is no behavior"),
        ("success=1,", "'' is no behavior"),
        ("success", "success needs a weight from 0 to 1,000,000, as in success=70, not ''."),
        ("success=-1", "not '-1'"),
        ("success=nan", "not 'nan'"),
        ("success=1e9", "not '1e9'"),
        ("success=1,success=2", "success is there twice."),
        ("success=0", "at least one weight must be above 0."),
    ],
)
def test_what_is_no_mix_is_refused_with_what_is_allowed(text: str, problem: str) -> None:
    with pytest.raises(MixError) as caught:
        parse_mix(text)
    assert problem in str(caught.value)


def test_the_same_seed_draws_the_same_behaviors_about_as_often_as_they_weigh() -> None:
    mix = parse_mix("success=75,fail_permanent=25")
    each = behaviors(mix, execution_time_ms=5, lease_s=30)
    first, second, other = ([b.type for b in islice(drawn(each, mix, seed), 4000)] for seed in (1, 1, 2))
    assert first == second != other
    assert 0.70 < first.count(BehaviorType.SUCCESS) / 4000 < 0.80


def test_a_timeout_works_longer_than_its_lease_and_the_others_as_long_as_asked() -> None:
    each = behaviors(parse_mix("success=1,timeout=1"), execution_time_ms=20, lease_s=2)
    assert {kind.value: behavior.execution_time_ms for kind, behavior in each.items()} == {
        "success": 20,
        "timeout": 3000,
    }


def test_left_out_options_take_their_defaults_and_a_seed_of_their_own() -> None:
    made, again = options(), options()
    assert (made.commands, made.workers, made.rate, made.max_wait) == (10_000, 2, None, 3600)
    assert made.mix == {BehaviorType.SUCCESS: 100.0}
    assert made.worker_arguments() == []
    assert made.seed != again.seed


def test_given_options_win_over_the_settings_and_the_record_says_which_did_not() -> None:
    made = plan(concurrency="200", lease="5", rate="2.5")
    record = made.to_json()
    assert made.options.worker_arguments() == ["--concurrency=200", "--visibility-timeout=5"]
    assert (record["concurrency"], record["batch_size"], record["lease_s"], record["rate"]) == (200, 10, 5, 2.5)
    assert record["from_settings"] == ["batch_size"]


@pytest.mark.parametrize(
    ("option", "text", "problem"),
    [
        ("--commands", "0", "must be a whole number from 1 to 10,000,000 (commands), not '0'."),
        ("--workers", "65", "must be a whole number from 1 to 64 (processes), not '65'."),
        ("--rate", "0", "must be a number with at most 1 decimal place from 0.1 to 100,000 (commands per second)"),
        ("--execution-time", "-1", "must be a whole number from 0 to 3,600,000 (milliseconds)"),
        ("--batch-size", "1001", "must be a whole number from 1 to 1,000 (messages)"),
        ("--lease", "0", "must be a whole number from 1 to 43,200 (seconds)"),
        ("--seed", "-1", "must be a whole number from 0 to 9,223,372,036,854,775,807, not '-1'."),
        ("--max-wait", "inf", "must be a whole number from 1 to 86,400 (seconds)"),
        ("--mix", "x=1", "'x' is no behavior"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(option: str, text: str, problem: str) -> None:
    with pytest.raises(CommandError) as caught:
        options(f"{option}={text}")
    assert f"{option}: {problem}" in str(caught.value)


def test_the_command_to_run_it_again_asks_for_the_same() -> None:
    made = plan(rate="50", execution_time="7", lease="9", max_wait="60")
    again = options(*command_line(made.to_json()).removeprefix("manage.py loadtest ").split())
    assert (again.commands, again.mix, again.seed, again.rate) == (1000, made.options.mix, 7, 50)
    assert (again.execution_time, again.lease, again.concurrency, again.batch_size, again.max_wait) == (7, 9, 4, 10, 60)
