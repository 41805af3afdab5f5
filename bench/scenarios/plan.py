"""What a run sends, command by command, and when: all of it follows from the scenario and the seed. Pure.

Scenario, seed ─► Plan ─► command(number), due_s(number)
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from uuid import UUID

from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.courses import PARTS_OF_A_LEASE, Circumstances
from commands.rules.rolls import Rolls
from commands.rules.words import COMMAND_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.scenarios.model import Scenario
    from bench.scenarios.units import Seconds

_WHOLE = 2**32


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One command of the plan. ``kind``: its behavior and whether it asks for a reply, the key of `Plan.kinds`.

    ``command_type``: the site's test command, or one of one's own that has to behave so; ``data``: what that carries.
    """

    number: int
    command_id: UUID
    behavior: Behavior
    reply: bool
    command_type: str = COMMAND_TYPE
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return kind_of(self.behavior, reply=self.reply)


def kind_of(behavior: Behavior, *, reply: bool) -> str:
    """``fail_transient_then_succeed/50ms/2x/reply``: what decides about a command, in one word for ledgers."""
    parts: list[str] = [behavior.type.value]
    if behavior.execution_time_ms:
        parts.append(f"{behavior.execution_time_ms}ms")
    if behavior.type is BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED:
        parts.append(f"{behavior.transient_failures}x")
    return "/".join([*parts, "reply" if reply else "silent"])


@dataclass(frozen=True)
class Plan:
    """The commands of one run, and the moments at which they are due."""

    scenario: Scenario
    seed: int

    @cached_property
    def count(self) -> int:
        """How many commands are sent in all, those that faults send not counted."""
        return self.scenario.commands or sum(self._counts)

    @cached_property
    def behaviors(self) -> dict[BehaviorType, Behavior]:
        """What a command of each type of the mix does."""
        found = {}
        for kind, part in self.scenario.mix.items():
            is_counted = kind is BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED
            found[kind] = Behavior(
                type=kind,
                execution_time_ms=round(self.scenario.seconds(part.sleep) * 1000),
                transient_failures=part.failures if is_counted else 1,
            )
        return found

    @cached_property
    def kinds(self) -> dict[str, tuple[Behavior, bool]]:
        """Behavior and reply of every kind that the plan may have."""
        return {
            kind_of(behavior, reply=reply): (behavior, reply)
            for behavior in self.behaviors.values()
            for reply in (True, False)
        }

    def command(self, number: int) -> Planned:
        """Command number so-and-so, from 0: a keyed hash of the seed and the number."""
        digest = blake2b(str(number).encode(), digest_size=24, key=self.seed.to_bytes(8, "big")).digest()
        roll = int.from_bytes(digest[16:20], "big") / _WHOLE * self._weights[-1]
        kind = self._types[min(bisect_right(self._weights, roll), len(self._types) - 1)]
        return Planned(
            number=number,
            command_id=UUID(bytes=digest[:16], version=4),
            behavior=self.behaviors[kind],
            command_type=self.scenario.mix[kind].command,
            data=self.scenario.mix[kind].data,
            reply=int.from_bytes(digest[20:24], "big") / _WHOLE < self.scenario.replies,
        )

    def commands(self) -> Iterator[Planned]:
        return map(self.command, range(self.count))

    def due_s(self, number: int) -> Seconds:
        """How long after sending begins a command is due; 0 where all are sent at once."""
        begins, before = 0.0, 0
        for phase, count in zip(self.scenario.load, self._counts, strict=True):
            if number < before + count:
                return begins + (number - before) / phase.rate
            begins, before = begins + self.scenario.seconds(phase.lasts), before + count
        return begins

    @cached_property
    def phases(self) -> list[tuple[str, Seconds, Seconds]]:
        """Name, beginning and end of each phase."""
        ends = list(accumulate((self.scenario.seconds(phase.lasts) for phase in self.scenario.load), initial=0.0))
        return [(phase.phase, ends[place], ends[place + 1]) for place, phase in enumerate(self.scenario.load)]

    @property
    def rolls(self) -> Rolls | None:
        """What attempts roll, keyed by the seed of the run."""
        given = self.scenario.rolls
        if given is None:
            return None
        return Rolls(
            seed=self.seed,
            permanent=given.permanent,
            transient=given.transient,
            business_rule=given.business_rule,
            timeout=given.timeout,
            timeout_ms=round(self.scenario.seconds(given.sleep) * 1000),
        )

    @cached_property
    def overruns(self) -> bool:
        """Whether an attempt may outlive its lease by what it does, with no fault."""
        lease_ms = self.scenario.lease_s * 1000
        rolls = self.rolls
        rolled = Behavior(
            type=BehaviorType.TIMEOUT, execution_time_ms=rolls.timeout_ms if rolls and rolls.timeout else 0
        )
        return any(
            behavior.execution_time_ms * PARTS_OF_A_LEASE > lease_ms * (PARTS_OF_A_LEASE - 1)
            and not self.circumstances(behavior, reply=True).keeps_its_lease
            for behavior in (*self.behaviors.values(), rolled)
        )

    def circumstances(self, behavior: Behavior, *, reply: bool, slots: int | None = None) -> Circumstances:
        """What decides about a command of the run, with its settings."""
        bus = self.scenario.bus
        return Circumstances(
            behavior=behavior,
            max_attempts=bus.max_attempts,
            lease_s=bus.visibility_timeout,
            base_delay_ms=bus.base_delay_ms,
            max_delay_ms=bus.max_delay_ms,
            backoff_multiplier=bus.backoff_multiplier,
            heartbeat=bus.heartbeat,
            slots=slots,
            reply=reply,
        )

    @cached_property
    def _counts(self) -> list[int]:
        return [round(self.scenario.seconds(phase.lasts) * phase.rate) for phase in self.scenario.load]

    @cached_property
    def _types(self) -> list[BehaviorType]:
        return list(self.scenario.mix)

    @cached_property
    def _weights(self) -> list[float]:
        return list(accumulate(part.weight for part in self.scenario.mix.values()))
