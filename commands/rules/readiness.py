"""What has to be there for the site to serve, by the names that ``/readyz`` has for it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The ids of the system checks that look at the database (`commands/checks.py`).
UNREACHABLE = "commands.W001"
SCHEMA = "commands.W002"
PGMQ = "commands.W003"
QUEUE = "commands.W004"

CHECKS: Mapping[str, str] = {UNREACHABLE: "database", SCHEMA: "schema", PGMQ: "pgmq", QUEUE: "queue"}


@dataclass(frozen=True, kw_only=True)
class Check:
    """``ok`` is None where it could not be looked at, since what it needs is not there. ``reasons``: why it is not."""

    name: str
    ok: bool | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Readiness:
    """What was looked at, in the order in which one needs the other."""

    checks: tuple[Check, ...]

    @property
    def is_ready(self) -> bool:
        return all(check.ok for check in self.checks)


def readiness_of(found: Iterable[tuple[str, str]]) -> Readiness:
    """What problems mean, each by the id of its check and in its words: all is well where there are none."""
    reasons: dict[str, list[str]] = {}
    for check_id, reason in found:
        reasons.setdefault(CHECKS.get(check_id, CHECKS[SCHEMA]), []).append(reason)
    away, incomplete = CHECKS[UNREACHABLE] in reasons, CHECKS[SCHEMA] in reasons
    unknown = set(CHECKS.values()) - {"database"} if away else {"queue"} if incomplete else set()
    return Readiness(
        tuple(
            Check(
                name=name,
                ok=False if name in reasons else None if name in unknown else True,
                reasons=tuple(reasons.get(name, ())),
            )
            for name in CHECKS.values()
        )
    )
