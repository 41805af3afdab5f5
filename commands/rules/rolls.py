"""Attempts that roll how they end: what looks like chance follows from a seed. Pure.

    seed, command, attempt, stage ─► a keyed hash ─► a share from 0 to 1

So a mix of chances has one exact expectation for each command, and a run can be made again from its seed.
"""

from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

from commands.rules.behaviors import Behavior, BehaviorType

_WHOLE = 2**64


def share(seed: int, command_id: UUID, attempt: int, stage: str) -> float:
    """A number from 0 to below 1, the same for the same arguments."""
    digest = blake2b(f"{command_id}|{attempt}|{stage}".encode(), digest_size=8, key=seed.to_bytes(8, "big")).digest()
    return int.from_bytes(digest, "big") / _WHOLE


@dataclass(frozen=True, kw_only=True)
class Rolls:
    """The chance of each stage, asked in this order; where none hits, the attempt does what its behavior says.

    ``timeout_ms``: how long an attempt works that rolls a timeout, before it succeeds.
    """

    seed: int
    permanent: float = 0
    transient: float = 0
    business_rule: float = 0
    timeout: float = 0
    timeout_ms: int = 0

    def behavior(self, own: Behavior, command_id: UUID, attempt: int) -> Behavior:
        """What an attempt (from 1, over the command's life) of this command does."""
        for kind, chance in self._stages():
            if chance and share(self.seed, command_id, attempt, kind) < chance:
                time = self.timeout_ms if kind is BehaviorType.TIMEOUT else own.execution_time_ms
                return Behavior(type=kind, execution_time_ms=time)
        return own

    def _stages(self) -> tuple[tuple[BehaviorType, float], ...]:
        return (
            (BehaviorType.FAIL_PERMANENT, self.permanent),
            (BehaviorType.FAIL_TRANSIENT, self.transient),
            (BehaviorType.BUSINESS_RULE, self.business_rule),
            (BehaviorType.TIMEOUT, self.timeout),
        )
