"""A scenario: what a run does and what it has to come to. Pure: the YAML reader, the builder and tests make it.

    YAML, Python ─► Scenario ─► plan (plan.py) ─► run ─► verdict

Every model refuses keys that it does not know and values out of bounds. A duration is written ``500ms``, ``3s``, ``2m``
or, in leases of the scenario, ``1.5L``.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bench.scenarios.faults import Fault
from bench.scenarios.units import Duration, Seconds
from commands.rules.behaviors import MAX_EXECUTION_TIME_MS, MAX_TRANSIENT_FAILURES, PARAMETERS, BehaviorType
from commands.rules.payload import payload_text
from commands.rules.words import COMMAND_TYPE, Engine, Word
from settings_app.values import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_COMMANDS = 1_000_000
MOST_RATE = 20_000
MOST_WORKERS = 16
LONGEST_S = 86_400  # of the load
NAME = r"^[a-z][a-z0-9_]{0,59}$"
MODULE = r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?$"
DEVIATION = r"^D([1-9]|1[0-4])$"

KeyPath = tuple[str | int, ...]


class Problem(NamedTuple):
    """What is wrong at a path of the scenario (``("load", 0, "rate")``; ``()``: with the whole)."""

    path: KeyPath
    text: str


class ProblemsError(ValueError):
    """What no single field can tell, each with its path."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.problems = problems


class Strict(BaseModel):
    """No unknown key, no value of another type, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RunVerdict(Word):
    """What a run comes to."""

    PASS = "PASS", "Passed"  # a verdict
    FAIL = "FAIL", "Failed"
    UNKNOWN = "UNKNOWN", "Unknown"  # it never became quiet, a fault did not fire, or a checker could not decide


class Oracle(StrEnum):
    """By which promises commands are judged."""

    CONTRACT = "contract"  # docs/promises.md
    AS_BUILT = "as_built"  # what the library's worker does, its known deviations included


class Place(StrEnum):
    """Where a run works."""

    OWN = "own"  # a database of its own on the site's server, made and dropped
    CLUSTER = "cluster"  # a server of its own, for faults that a server shared with others cannot have
    SITE = "site"  # the site's database: the run sends and reads, and may have no faults


def _setting(name: str) -> object:
    setting = SETTINGS[name]
    return Field(default=float(setting.default), ge=float(setting.minimum), le=float(setting.maximum))


def _whole(name: str) -> object:
    setting = SETTINGS[name]
    return Field(default=int(setting.default), ge=int(setting.minimum), le=int(setting.maximum))


class Bus(Strict):
    """The settings of the workers: those of `settings_app.values`, with their bounds and defaults."""

    visibility_timeout: int = _whole("visibility_timeout")  # type: ignore[assignment]
    max_attempts: int = _whole("max_attempts")  # type: ignore[assignment]
    base_delay_ms: int = _whole("base_delay_ms")  # type: ignore[assignment]
    max_delay_ms: int = _whole("max_delay_ms")  # type: ignore[assignment]
    backoff_multiplier: float = _setting("backoff_multiplier")  # type: ignore[assignment]
    poll_interval: float = _setting("poll_interval")  # type: ignore[assignment]
    heartbeat: bool = False


class Workers(Strict):
    """``count`` processes of ``runworker``. ``through``: how they reach the server. ``release``: which version runs."""

    count: int = Field(default=1, ge=0, le=MOST_WORKERS)
    engine: Engine = Field(default=Engine.NATIVE, strict=False)
    concurrency: int = _whole("concurrency")  # type: ignore[assignment]
    batch_size: int = _whole("batch_size")  # type: ignore[assignment]
    through: Literal["direct", "proxy"] = "direct"
    release: str = Field(default="", pattern=r"^(\d+\.\d+\.\d+)?$", description="empty: the code that runs the bench")
    handlers: str = Field(
        default="", max_length=200, pattern=MODULE, description="a module of one's own, as of runworker --handlers"
    )


class Phase(Strict):
    """A part of the load: an open loop at ``rate`` commands per second for so long."""

    phase: str = Field(pattern=NAME)
    lasts: Duration = Field(validation_alias="for", serialization_alias="for")
    rate: float = Field(ge=0, le=MOST_RATE)

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


def _payload(data: dict[str, Any]) -> dict[str, Any]:
    payload_text(data)  # raises ValueError where it cannot be stored
    return data


class Part(Strict):
    """One behavior of a mix. ``sleep``: how long each attempt works. ``failures``: of fail_transient_then_succeed.

    ``command``: the type of a command of one's own, which has to behave so, by the handlers of the workers; ``data`` is
    what it carries.
    """

    weight: float = Field(gt=0, le=1_000_000)
    sleep: Duration = Duration(0)
    failures: int = Field(default=1, ge=1, le=MAX_TRANSIENT_FAILURES)
    command: str = Field(default=COMMAND_TYPE, pattern=r"^[A-Za-z_][\w.-]{0,99}$")
    data: Annotated[dict[str, Any], AfterValidator(_payload)] = {}


def _part(value: object) -> object:
    return {"weight": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


class Rolls(Strict):
    """What each attempt rolls, one after the other (regime D): the share of attempts that end so, by stage."""

    permanent: float = Field(default=0, ge=0, le=1)
    transient: float = Field(default=0, ge=0, le=1)
    business_rule: float = Field(default=0, ge=0, le=1)
    timeout: float = Field(default=0, ge=0, le=1)
    sleep: Duration = Field(default=Duration(1.5, "L"), description="how long an attempt that rolls a timeout works")


class Expect(Strict):
    """What the run has to come to. ``verdict`` says so in one word: a scenario may be there to show a failure."""

    verdict: RunVerdict = Field(default=RunVerdict.PASS, strict=False)
    oracle: Oracle = Field(default=Oracle.CONTRACT, strict=False)
    lost: int = Field(default=0, ge=0)
    duplicate_effects: int | None = Field(default=None, ge=0, description="at most so many; None: as the faults allow")
    p99: Duration | None = Field(default=None, description="end to end, from the intended time")
    during: str = Field(default="", description="the phase for which p99 holds; empty: the whole")
    resumes_within: Duration | None = Field(default=None, description="the first end after the last fault is over")
    level: bool = Field(default=False, description="nothing grows while the load goes on: latency, depth, age, work")
    sometimes: tuple[Literal["redelivered", "every_behavior", "two_workers", "fault_fired"], ...] = Field(
        default=(), strict=False
    )
    known: tuple[Annotated[str, Field(pattern=DEVIATION)], ...] = Field(
        default=(), strict=False, description="deviations D1 to D14 that are tolerated"
    )


def _sentence(text: str) -> str:
    """One line of characters that can be seen."""
    line = " ".join(text.split())
    if not line or not line.isprintable():
        raise ValueError("it has to be a sentence, without control characters")
    return line


class Scenario(Strict):
    """A whole scenario. Either ``load`` or ``commands`` (all at once) says how many are sent."""

    scenario: str = Field(pattern=NAME, description="its name")
    about: Annotated[str, AfterValidator(_sentence)] = Field(
        min_length=1, max_length=300, description="what it proves, in a sentence"
    )
    seed: int = Field(default=1, ge=0, lt=2**63)
    place: Place = Field(default=Place.OWN, strict=False)
    bus: Bus = Bus()
    workers: tuple[Workers, ...] = Field(default=(Workers(),), min_length=1, max_length=4, strict=False)
    commands: int = Field(default=0, ge=0, le=MOST_COMMANDS)
    load: tuple[Phase, ...] = Field(default=(), max_length=20, strict=False)
    mix: dict[
        Annotated[BehaviorType, Field(strict=False)],
        Annotated[Part, BeforeValidator(_part, json_schema_input_type=float | Part)],
    ] = Field(min_length=1, description="behaviors by their weights")
    rolls: Rolls | None = None
    replies: float = Field(default=1, ge=0, le=1, description="the share of commands that ask for one")
    faults: tuple[Fault, ...] = Field(default=(), max_length=20, strict=False)
    expect: Expect = Expect()
    drains_within: Duration = Duration(60)
    long: bool = Field(default=False, description="left out where the short set is run")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = list(_problems(self))
        if problems:
            raise ProblemsError(problems)
        return self

    @property
    def lease_s(self) -> int:
        return self.bus.visibility_timeout

    def seconds(self, duration: Duration) -> Seconds:
        """A duration of this scenario in seconds."""
        return duration.seconds(self.lease_s)

    @property
    def lasts_s(self) -> Seconds:
        """How long the load lasts; 0 where all is sent at once."""
        return sum((self.seconds(phase.lasts) for phase in self.load), 0.0)

    def moment_s(self, at: str) -> Seconds:
        """``steady+4s``, ``steady`` or ``4s`` as seconds after sending began. Raises ValueError."""
        name, plus, more = at.partition("+")
        begins = 0.0
        for phase in self.load:
            if phase.phase == name.strip():
                return begins + (self.seconds(Duration.parse(more.strip())) if plus else 0.0)
            begins += self.seconds(phase.lasts)
        if plus or re.fullmatch(NAME, at.strip()):
            names = ", ".join(phase.phase for phase in self.load) or "no phase"
            raise ValueError(f"{at[:60]!r} names no phase; there is {names}")
        return self.seconds(Duration.parse(at))


def _problems(scenario: Scenario) -> Iterator[Problem]:
    """What no single field can tell."""
    yield from _about_load(scenario)
    yield from _about_mix(scenario)
    yield from _about_workers(scenario)
    yield from _about_faults(scenario)
    if scenario.bus.max_delay_ms < scenario.bus.base_delay_ms:
        yield Problem(("bus", "max_delay_ms"), f"must not be below base_delay_ms, {scenario.bus.base_delay_ms}")


def _about_load(scenario: Scenario) -> Iterator[Problem]:
    names = [phase.phase for phase in scenario.load]
    if bool(scenario.load) == bool(scenario.commands):
        yield Problem((), "a scenario has either load or commands, and at least one command")
    for place, name in enumerate(names):
        if name in names[:place]:
            yield Problem(("load", place, "phase"), f"two phases have the name {name}")
    count = sum(scenario.seconds(phase.lasts) * phase.rate for phase in scenario.load)
    if scenario.load and not 1 <= count <= MOST_COMMANDS:
        yield Problem(("load",), f"sends {count:,.0f} commands; a run has from 1 to {MOST_COMMANDS:,}")
    if scenario.lasts_s > LONGEST_S:
        yield Problem(("load",), f"lasts {scenario.lasts_s:,.0f} s; a run lasts a day at most")
    if scenario.expect.during and scenario.expect.during not in names:
        yield Problem(("expect", "during"), f"names no phase; there is {', '.join(names) or 'no phase'}")


def _about_mix(scenario: Scenario) -> Iterator[Problem]:
    for kind, part in scenario.mix.items():
        if "failures" in part.model_fields_set and "transient_failures" not in PARAMETERS[kind]:
            of = BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED
            yield Problem(("mix", kind.value, "failures"), f"does not apply to {kind}; it is of {of}")
        if scenario.seconds(part.sleep) * 1000 > MAX_EXECUTION_TIME_MS:
            yield Problem(("mix", kind.value, "sleep"), f"is {part.sleep}; an attempt works an hour at most")
        if part.data and part.command == COMMAND_TYPE:
            yield Problem(("mix", kind.value, "data"), "is for a command of one's own: name its type with command")
    if scenario.rolls and any(part.command != COMMAND_TYPE for part in scenario.mix.values()):
        yield Problem(("rolls",), "are of the site's own test commands, and the mix has others")


def _about_workers(scenario: Scenario) -> Iterator[Problem]:
    own = sorted({part.command for part in scenario.mix.values()} - {COMMAND_TYPE})
    for place, workers in enumerate(scenario.workers):
        if own and workers.count and not workers.handlers:
            yield Problem(("workers", place), f"need handlers, a module that registers {', '.join(own)}")
        if workers.release and workers.handlers:
            yield Problem(("workers", place, "handlers"), "cannot be watched in a release: leave one of both out")
        if workers.count and scenario.place is Place.SITE:
            yield Problem(("workers", place, "count"), "place: site starts no workers: give count: 0")


def _about_faults(scenario: Scenario) -> Iterator[Problem]:
    if scenario.place is Place.SITE and scenario.faults:
        yield Problem(("faults",), "place: site takes no faults")
    for place, fault in enumerate(scenario.faults):
        try:
            scenario.moment_s(fault.at)
        except ValueError as exc:
            yield Problem(("faults", place, "at"), str(exc))
        if fault.needs_cluster and scenario.place is not Place.CLUSTER:
            yield Problem(("faults", place), f"{fault.do} needs place: cluster")
        if fault.needs_proxy and all(workers.through != "proxy" for workers in scenario.workers):
            yield Problem(("faults", place), f"{fault.do} needs workers with through: proxy")
