"""Scenarios in Python, word by word, with what editors and type checkers know about them. Pure.

    from bench.scenarios.builder import part, scenario
    from bench.scenarios.faults import KillWorker

    killed = (
        scenario("killed", about="A worker is killed, and every command still comes to its end.")
        .bus(lease=3, max_attempts=5)
        .workers(2, concurrency=20)
        .phase("steady", "6s", rate=200)
        .mix(success=part(80, sleep="100ms"), fail_transient_then_succeed=part(20, failures=1))
        .fault(KillWorker(at="steady+2s", in_flight=5, times=2))
        .expect(sometimes=["redelivered", "fault_fired"])
        .build()
    )

Each word answers a new builder, so that one can be the beginning of several. ``build`` raises ScenarioError, with every
problem. A duration is a text (``"1.5L"``), as in a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from bench.scenarios.model import Scenario
from bench.scenarios.yaml_file import scenario_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.scenarios.faults import AnyFault

EngineName = Literal["native", "library"]
PlaceName = Literal["own", "cluster", "site"]
VerdictName = Literal["PASS", "FAIL", "UNKNOWN"]
OracleName = Literal["contract", "as_built"]
Sometimes = Literal["redelivered", "every_behavior", "two_workers", "fault_fired"]
Share = float | dict[str, Any]  # of a mix: its weight, or a `part`


def scenario(name: str, *, about: str, seed: int = 1, place: PlaceName = "own") -> Builder:
    """Begin one: its name, and what it proves in a sentence."""
    return Builder({"scenario": name, "about": about, "seed": seed, "place": place})


def part(
    weight: float,
    *,
    sleep: str | None = None,
    failures: int | None = None,
    command: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One behavior of a mix: how long each attempt works, how often it fails first, which command of yours it is."""
    given = {"sleep": sleep, "failures": failures, "command": command, "data": data}
    return {"weight": weight, **_given(given)}


@dataclass(frozen=True)
class Builder:
    """What was said so far, as a file would say it."""

    said: Mapping[str, Any] = field(default_factory=dict)

    def bus(
        self,
        *,
        lease: int | None = None,
        max_attempts: int | None = None,
        base_delay_ms: int | None = None,
        max_delay_ms: int | None = None,
        backoff_multiplier: float | None = None,
        poll_interval: float | None = None,
        heartbeat: bool | None = None,
    ) -> Self:
        """Settings of the workers; ``lease``: seconds (``visibility_timeout``). Said again, they are added."""
        given = {
            "visibility_timeout": lease, "max_attempts": max_attempts, "base_delay_ms": base_delay_ms,
            "max_delay_ms": max_delay_ms, "backoff_multiplier": backoff_multiplier, "poll_interval": poll_interval,
            "heartbeat": heartbeat,
        }  # fmt: skip
        return self._with(bus={**self.said.get("bus", {}), **_given(given)})

    def workers(
        self,
        count: int = 1,
        *,
        engine: EngineName = "native",
        concurrency: int | None = None,
        batch_size: int | None = None,
        through: Literal["direct", "proxy"] | None = None,
        release: str | None = None,
        handlers: str | None = None,
    ) -> Self:
        """A group of alike workers. Said again, another group beside it."""
        given = {
            "concurrency": concurrency, "batch_size": batch_size, "through": through, "release": release,
            "handlers": handlers,
        }  # fmt: skip
        return self._added("workers", {"count": count, "engine": engine, **_given(given)})

    def handlers(self, module: str) -> Self:
        """Have all workers said so far, or the one that there is by default, perform yours by this module."""
        groups = self.said.get("workers") or [{}]
        return self._with(workers=[{**group, "handlers": module} for group in groups])

    def phase(self, name: str, lasts: str, *, rate: float) -> Self:
        """A part of the load: so many commands a second for so long. Said again, it follows."""
        return self._added("load", {"phase": name, "for": lasts, "rate": rate})

    def steady(self, lasts: str, *, rate: float) -> Self:
        """The phase ``steady``."""
        return self.phase("steady", lasts, rate=rate)

    def commands(self, count: int) -> Self:
        """So many, all at once, in place of phases."""
        return self._with(commands=count)

    def mix(
        self,
        *,
        success: Share | None = None,
        fail_permanent: Share | None = None,
        business_rule: Share | None = None,
        fail_transient: Share | None = None,
        fail_transient_then_succeed: Share | None = None,
        timeout: Share | None = None,
    ) -> Self:
        """Behaviors by their weights; `part` says more about one. Said again, they are added."""
        given = {
            "success": success, "fail_permanent": fail_permanent, "business_rule": business_rule,
            "fail_transient": fail_transient, "fail_transient_then_succeed": fail_transient_then_succeed,
            "timeout": timeout,
        }  # fmt: skip
        return self._with(mix={**self.said.get("mix", {}), **_given(given)})

    def rolls(
        self,
        *,
        permanent: float = 0,
        transient: float = 0,
        business_rule: float = 0,
        timeout: float = 0,
        sleep: str | None = None,
    ) -> Self:
        """What each attempt rolls, one after the other: the share of attempts that end so."""
        shares = dict(permanent=permanent, transient=transient, business_rule=business_rule, timeout=timeout)  # noqa: C408
        return self._with(rolls={**shares, **_given({"sleep": sleep})})

    def replies(self, share: float) -> Self:
        """The share of commands that ask for a reply."""
        return self._with(replies=share)

    def fault(self, fault: AnyFault) -> Self:
        """Something that goes wrong (`bench.scenarios.faults`). Said again, another one."""
        return self._added("faults", fault.model_dump(mode="json", by_alias=True))

    def expect(
        self,
        verdict: VerdictName | None = None,
        *,
        oracle: OracleName | None = None,
        lost: int | None = None,
        duplicate_effects: int | None = None,
        p99: str | None = None,
        during: str | None = None,
        resumes_within: str | None = None,
        level: bool | None = None,
        sometimes: Iterable[Sometimes] | None = None,
        known: Iterable[str] | None = None,
    ) -> Self:
        """What it has to come to. Said again, it is added."""
        given = {
            "verdict": verdict, "oracle": oracle, "lost": lost, "duplicate_effects": duplicate_effects, "p99": p99,
            "during": during, "resumes_within": resumes_within, "level": level,
            "sometimes": None if sometimes is None else list(sometimes),
            "known": None if known is None else list(known),
        }  # fmt: skip
        return self._with(expect={**self.said.get("expect", {}), **_given(given)})

    def drains_within(self, lasts: str) -> Self:
        """How long it may take until the queue is empty, once all is sent and every fault is over."""
        return self._with(drains_within=lasts)

    def long(self) -> Self:
        """Left out where the short set is run."""
        return self._with(long=True)

    def build(self) -> Scenario:
        """The scenario. Raises ScenarioError."""
        return scenario_from(dict(self.said), f"scenario {self.said['scenario']}")

    def _with(self, **said: Any) -> Self:
        return type(self)({**self.said, **said})

    def _added(self, key: str, entry: dict[str, Any]) -> Self:
        return self._with(**{key: [*self.said.get(key, ()), entry]})


def built(given: Scenario | Builder) -> Scenario:
    """The scenario itself, or what a builder builds. Raises ScenarioError."""
    return given.build() if isinstance(given, Builder) else given


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
