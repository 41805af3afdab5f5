"""Waiting in tests: for a state, up to a deadline, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], timeout: float = 10, message: str = "") -> T:
    """Call `predicate` until it answers something true, and return that. AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := predicate()):
        assert time.monotonic() < deadline, (
            f"{message or 'What was waited for'}: not within {timeout} s (last: {answer!r})"
        )
        time.sleep(0.02)
    return answer
