"""What a probe found, and what is said of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.oracle.as_built import TITLES
from commands.rules.words import Engine, Word


class Found(Word):
    """Whether a deviation shows."""

    PRESENT = "present", "still present"
    FIXED = "fixed", "fixed"  # it does not show any more; of engine native: it does not show
    NOT_EXERCISED = "not_exercised", "not exercised"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """``is_there``: whether the deviation shows; None: the probe could not tell. ``evidence``: what was seen."""

    is_there: bool | None
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one probe found with one engine."""

    id: str
    engine: Engine
    word: Found
    evidence: str

    @property
    def title(self) -> str:
        return TITLES[self.id]


# Deviations of the library that any engine here has: both send by it.
OF_BOTH = frozenset({"D7", "D12"})


def finding(name: str, engine: Engine, shown: Shown) -> Finding:
    words = {True: Found.PRESENT, False: Found.FIXED, None: Found.NOT_EXERCISED}
    return Finding(id=name, engine=engine, word=words[shown.is_there], evidence=shown.evidence)


def wrong(findings: Sequence[Finding]) -> list[Finding]:
    """What must not be: a deviation of the library's worker in engine ``native``."""
    return [
        one for one in findings if one.engine is Engine.NATIVE and one.word is Found.PRESENT and one.id not in OF_BOTH
    ]
