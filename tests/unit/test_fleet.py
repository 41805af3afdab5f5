"""commands/worker/fleet.py: what several workers are told, and what their ends come to."""

import signal
from typing import Any

import pytest

from commands.management.commands.runworker import Command
from commands.rules.words import Engine
from commands.worker.fleet import arguments, worst
from commands.worker.process import Options


def understood(words: list[str]) -> dict[str, Any]:
    """What ``runworker`` reads from such a command line."""
    return vars(Command().create_parser("manage.py", "runworker").parse_args(words))


def test_every_option_is_passed_on_as_it_was_given() -> None:
    overrides = {"concurrency": 7, "poll_interval": 0.25, "heartbeat": False}
    options = Options(
        engine=Engine.LIBRARY,
        domain="orders",
        handlers="mine.own",
        once=True,
        grace=12.5,
        samples=False,
        overrides=overrides,
    )
    read = understood(arguments(options, max_wait=1.5))
    assert (read["engine"], read["domain"], read["once"], read["one_of_many"]) == ("library", "orders", True, True)
    assert read["handlers"] == "mine.own"
    assert (read["grace"], read["max_wait"], read["no_sampler"]) == (12.5, 1.5, True)
    assert (read["concurrency"], read["poll_interval"], read["heartbeat"]) == (7, 0.25, False)
    assert (read["batch_size"], read["visibility_timeout"], read["processes"]) == (None, None, None)


def test_options_that_were_not_given_are_not_passed_on() -> None:
    read = understood(arguments(Options(), max_wait=None))
    assert (read["once"], read["max_wait"], read["heartbeat"], read["handlers"]) == (False, None, None, None)
    assert not read["no_sampler"]


@pytest.mark.parametrize(
    ("codes", "stop_requests", "code"),
    [
        ([0, 0], 1, 0),
        ([], 1, 0),  # all of them waited for their next start
        ([0, 3], 0, 3),
        ([1, 0, 3], 1, 3),
        ([0, 1], 1, 1),
        ([0, -signal.SIGKILL], 1, 1),
        ([0, 137], 0, 1),
        ([3, 2, 0], 0, 2),  # one that cannot start is what has to be said
        ([0, -signal.SIGTERM], 1, 0),  # it was told to stop before it had begun
        ([0, -signal.SIGTERM], 2, 1),
    ],
)
def test_the_worst_of_the_exit_codes_counts(codes: list[int], stop_requests: int, code: int) -> None:
    assert worst(codes, stop_requests=stop_requests) == code
