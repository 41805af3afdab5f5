"""The settings of the workers as plain values, and the one place that says what each may be. Free of Django.

Model validators, admin help texts and the command line of `runworker` read `SETTINGS` (numbers), `SWITCHES` (on or
off) and `LISTS` (names); a test compares them with the CHECK constraints and defaults of ``public.e2e_config``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from e2e_site.options import Number
from settings_app.names import NameList


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: a whole number, or a decimal number with at most ``places`` decimal places."""

    name: str
    unit: str
    minimum: Decimal
    maximum: Decimal
    default: Decimal
    places: int = 0
    help: str

    @property
    def label(self) -> str:
        """ "Poll interval"."""
        return self.name.removesuffix("_ms").replace("_", " ").capitalize()

    @property
    def range_text(self) -> str:
        """ "0.05 to 60"."""
        return self.option.range_text

    @property
    def help_text(self) -> str:
        """Unit, range, default and what it does, in one line."""
        unit = f"{self.unit[0].upper()}{self.unit[1:]}"
        return f"{unit}, {self.range_text}; default {self.default:,}. {self.help}"

    @property
    def option(self) -> Number:
        """The type of a command line's option: answers the value as `WorkerSettings` holds it."""
        return Number(self.minimum, self.maximum, places=self.places, unit=self.unit)


@dataclass(frozen=True, kw_only=True)
class Switch:
    """One setting that is on or off; off unless a person turns it on."""

    name: str
    help: str

    @property
    def label(self) -> str:
        """ "Heartbeat"."""
        return self.name.replace("_", " ").capitalize()

    @property
    def help_text(self) -> str:
        """Default and what it does, in one line."""
        return f"On or off; default off. {self.help}"


SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            name="visibility_timeout",
            unit="seconds",
            minimum=Decimal(1),
            maximum=Decimal(43_200),
            default=Decimal(30),
            help="The lease: how long a received message stays hidden from other workers. Longer work comes again.",
        ),
        Setting(
            name="concurrency",
            unit="commands",
            minimum=Decimal(1),
            maximum=Decimal(500),
            default=Decimal(4),
            help="How many commands one worker process performs at the same time.",
        ),
        Setting(
            name="poll_interval",
            unit="seconds",
            minimum=Decimal("0.05"),
            maximum=Decimal(60),
            default=Decimal(1),
            places=2,
            help="How long a worker waits before it looks at the queue again when nothing notifies it.",
        ),
        Setting(
            name="batch_size",
            unit="messages",
            minimum=Decimal(1),
            maximum=Decimal(1000),
            default=Decimal(10),
            help="The most messages taken in one read; never more than there are free slots.",
        ),
        Setting(
            name="max_attempts",
            unit="deliveries",
            minimum=Decimal(1),
            maximum=Decimal(100),
            default=Decimal(3),
            help="How often a command is delivered before it is parked. Copied into each command when it is sent.",
        ),
        Setting(
            name="base_delay_ms",
            unit="milliseconds",
            minimum=Decimal(0),
            maximum=Decimal(3_600_000),
            default=Decimal(1000),
            help="How long the first retry waits.",
        ),
        Setting(
            name="max_delay_ms",
            unit="milliseconds",
            minimum=Decimal(0),
            maximum=Decimal(86_400_000),
            default=Decimal(60_000),
            help="The longest that any retry waits; not below the base delay.",
        ),
        Setting(
            name="backoff_multiplier",
            unit="times",
            minimum=Decimal(1),
            maximum=Decimal(10),
            default=Decimal(2),
            places=2,
            help="How many times longer each retry waits than the one before.",
        ),
    )
}
SWITCHES: Mapping[str, Switch] = {
    switch.name: switch
    for switch in (
        Switch(
            name="heartbeat",
            help="Extends the leases of running attempts while their worker lives, so that long work does not come "
            "again. Never for behavior timeout, and not by engine library.",
        ),
        Switch(
            name="paused",
            help="Workers take nothing more from the queue; what they have, they finish. For all workers alike.",
        ),
    )
}
LISTS: Mapping[str, NameList] = {
    names.name: names
    for names in (
        NameList(
            name="redacted_keys",
            most=100,
            longest=100,
            help="Values under these keys of payloads, results, replies and events are hidden from all who lack the "
            "permission commands.see_redacted, upper or lower case alike.",
        ),
    )
}
NAMES = (*SETTINGS, *SWITCHES, *LISTS)
# How workers work. `paused` says whether they do, all of a site alike: no worker has its own, and no load test takes it
# over from the site. Lists are about what people see.
HOW_NAMES = tuple(name for name in NAMES if name != "paused" and name not in LISTS)

Value = int | Decimal | str  # a bool is an int


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What a worker runs with. ``visibility_timeout`` and ``poll_interval`` are seconds."""

    visibility_timeout: int
    concurrency: int
    poll_interval: float
    batch_size: int
    max_attempts: int
    base_delay_ms: int
    max_delay_ms: int
    backoff_multiplier: float
    heartbeat: bool
    paused: bool
    version: int

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "WorkerSettings":
        """From a row of ``public.e2e_config`` with its columns by name; other columns are left alone."""
        return cls(
            visibility_timeout=row["visibility_timeout"],
            concurrency=row["concurrency"],
            poll_interval=float(row["poll_interval"]),
            batch_size=row["batch_size"],
            max_attempts=row["max_attempts"],
            base_delay_ms=row["base_delay_ms"],
            max_delay_ms=row["max_delay_ms"],
            backoff_multiplier=float(row["backoff_multiplier"]),
            heartbeat=row["heartbeat"],
            paused=row["paused"],
            version=row["version"],
        )


def delay_conflict(*, base_delay_ms: int, max_delay_ms: int) -> str | None:
    """Why the two delays cannot stand together, or None."""
    if max_delay_ms < base_delay_ms:
        return f"The max delay ({max_delay_ms:,} ms) must not be below the base delay ({base_delay_ms:,} ms)."
    return None


def lease_warning(*, visibility_timeout: int, poll_interval: Decimal) -> str | None:
    """What a person should know about a lease that is shorter than the poll interval, or None."""
    if visibility_timeout < poll_interval:
        return (
            f"The lease ({visibility_timeout} s) is shorter than the poll interval ({shown(poll_interval)} s): "
            "a message whose lease runs out may wait for the next look at the queue."
        )
    return None


def shown(value: Value | float) -> str:
    """The value as people write it: 2, not 2.00; on, not True; none, not an empty text."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if value == "":
        return "none"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
