"""Circumstances of a command, with the default settings: 3 attempts, a lease of 30 s, backoff 1 s, 2 s."""

from typing import Any

from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.courses import Circumstances

_SETTINGS = {"max_attempts": 3, "lease_s": 30, "base_delay_ms": 1000, "max_delay_ms": 60_000, "backoff_multiplier": 2}


def circumstances(kind: str, work_ms: int = 0, failures: int = 1, **more: Any) -> Circumstances:
    """Of a behavior with these numbers; ``more`` are fields of `Circumstances`."""
    behavior = Behavior(type=BehaviorType(kind), execution_time_ms=work_ms, transient_failures=failures)
    return Circumstances(behavior=behavior, **{**_SETTINGS, **more})
