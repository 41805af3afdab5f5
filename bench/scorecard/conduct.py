"""All probes, with either engine: the worker's on a bed of its own, one after the other."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.oracle.as_built import TITLES
from bench.scorecard import library_probes as api
from bench.scorecard import worker_probes as worker
from bench.scorecard.bed import Bed, bed
from bench.scorecard.findings import Finding, Shown, finding
from commands.rules.words import Engine
from e2e_site.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PROBES: dict[str, Callable[[Bed], Shown]] = {
    "D1": worker.own_limit,
    "D2": worker.unlimited,
    "D3": worker.final_states,
    "D4": worker.replies,
    "D5": worker.batches,
    "D6": api.operators,
    "D7": api.sends,
    "D8": worker.malformed,
    "D9": worker.lost_connections,
    "D10": api.pools,
    "D11": api.lost_counts,
    "D12": api.clocks,
    "D13": worker.late_failures,
    "D14": api.stops,  # the last: it stops the worker of the bed
}
assert PROBES.keys() == TITLES.keys()


def conduct(names: Sequence[str] = (), said: Callable[[Finding], None] = lambda _: None) -> list[Finding]:
    """What each probe finds, first with engine ``library``, then with ``native``; all without a name.

    A probe that fails is a deviation that was not exercised. Raises BenchError, OwnDatabaseError where there is no bed.
    """
    found = []
    with _quiet_library():
        for engine in (Engine.LIBRARY, Engine.NATIVE):
            with bed(engine) as made:
                for name, probe in PROBES.items():
                    if not names or name in names:
                        found.append(_probed(name, probe, made))
                        said(found[-1])
    return found


def _probed(name: str, probe: Callable[[Bed], Shown], made: Bed) -> Finding:
    try:
        shown = probe(made)
    except Exception as exc:  # noqa: BLE001  # the others can still be told
        shown = Shown(is_there=None, evidence=f"the probe failed: {type(exc).__name__}: {one_line(exc)[:200]}")
    return finding(name, made.engine, shown)


@contextmanager
def _quiet_library() -> Iterator[None]:
    """What the library logs while it is made to fail is no news."""
    loggers = [logging.getLogger(name) for name in ("commandbus", "psycopg.pool")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
