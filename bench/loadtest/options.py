"""What a load test is asked for: the options of ``manage.py loadtest`` and their bounds. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import islice
from random import SystemRandom
from typing import Any

from commands.rules.behaviors import MAX_EXECUTION_TIME_MS, Behavior, BehaviorType
from commands.rules.mix import Weights, behaviors, drawn
from settings_app.values import Setting, WorkerSettings

# Options that win over a setting, and which.
OVERRIDES = {"concurrency": "concurrency", "batch_size": "batch_size", "lease": "visibility_timeout"}


def _number(name: str, low: str, high: str, default: str, /, *, unit: str, help: str, places: int = 0) -> Setting:  # noqa: A002  # the setting's word
    ends = {"minimum": Decimal(low), "maximum": Decimal(high), "default": Decimal(default)}
    return Setting(name=name, unit=unit, places=places, help=help, **ends)


NUMBERS: Mapping[str, Setting] = {
    number.name: number
    for number in (
        _number("commands", "1", "10000000", "10000", unit="commands", help="How many to send."),
        _number("workers", "1", "64", "2", unit="processes", help="How many workers to start."),
        _number(
            "execution_time", "0", str(MAX_EXECUTION_TIME_MS), "0", unit="milliseconds", help="How long attempts work."
        ),
        _number("rate", "0.1", "100000", "0", unit="commands per second", places=1, help="Send by this schedule."),
        _number("seed", "0", str(2**63 - 1), "0", unit="", help="Which command gets which behavior."),
        _number("max_wait", "1", "86400", "3600", unit="seconds", help="Stop so long after sending began."),
    )
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked. ``rate`` None: all at once; the settings of `OVERRIDES` None: as the settings row says."""

    commands: int
    workers: int
    mix: Weights
    execution_time: int
    rate: float | None
    seed: int
    max_wait: int
    concurrency: int | None
    batch_size: int | None
    lease: int | None
    database: str | None  # its address; None: one is made

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Options":
        """From the values of a command line by option name, None where one was left out."""
        numbers: dict[str, Any] = {
            name: _default(name) if given[name] is None else given[name] for name in (*NUMBERS, *OVERRIDES)
        }
        return cls(mix=given["mix"] or {BehaviorType.SUCCESS: 100.0}, database=given["database"], **numbers)

    def worker_arguments(self) -> list[str]:
        """What each ``runworker`` gets."""
        given = {setting: getattr(self, name) for name, setting in OVERRIDES.items()}
        return [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run to be: what was asked for, with the settings as they are."""

    options: Options
    settings: WorkerSettings

    @property
    def lease_s(self) -> int:
        return self.settings.visibility_timeout if self.options.lease is None else self.options.lease

    @cached_property
    def each(self) -> Mapping[BehaviorType, Behavior]:
        """What a command of each type of the mix does."""
        return behaviors(self.options.mix, execution_time_ms=self.options.execution_time, lease_s=self.lease_s)

    def stream(self) -> Iterator[Behavior]:
        """The behaviors to send, in their order."""
        return islice(drawn(self.each, self.options.mix, self.options.seed), self.options.commands)

    def to_json(self) -> dict[str, Any]:
        """Options and settings in force, for the record."""
        options, settings = self.options, self.settings
        return {
            "commands": options.commands,
            "workers": options.workers,
            "mix": {kind.value: weight for kind, weight in options.mix.items()},
            "execution_time_ms": options.execution_time,
            "rate": options.rate,
            "seed": options.seed,
            "max_wait_s": options.max_wait,
            "concurrency": settings.concurrency if options.concurrency is None else options.concurrency,
            "batch_size": settings.batch_size if options.batch_size is None else options.batch_size,
            "lease_s": self.lease_s,
            "from_settings": [name for name in OVERRIDES if getattr(options, name) is None],
            "max_attempts": settings.max_attempts,
            "base_delay_ms": settings.base_delay_ms,
            "max_delay_ms": settings.max_delay_ms,
            "backoff_multiplier": settings.backoff_multiplier,
            "heartbeat": settings.heartbeat,
        }


def _default(name: str) -> int | None:
    if name == "seed":
        return SystemRandom().randrange(2**31)
    if name == "rate" or name in OVERRIDES:
        return None
    return int(NUMBERS[name].default)
