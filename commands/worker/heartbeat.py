"""Leases that are extended: of work that is done but not yet written, and where the settings say so of work that runs.

The latter is off by default, so that a lease that runs out can be seen. A `timeout` command that runs is never
extended: it is there to show what happens then.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import psycopg

from commands.worker.trouble import Trouble
from e2e_site.database import ConnectionLostError, Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from commands.worker.attempts import Attempt
    from commands.worker.state import WorkerState

EXTEND = "SELECT commandbus.extend_leases(%s, %s::jsonb, %s)"
BEATS_PER_LEASE = 3


async def keep_leases(
    state: WorkerState, link: Link, running: Iterable[Attempt], unwritten: Callable[[], Iterable[Attempt]]
) -> None:
    """Extend leases three times per lease, until cancelled: of what is ``unwritten``, and of what is ``running``."""
    trouble = Trouble("heartbeat")
    while True:
        await asyncio.sleep(min(1.0, state.settings.visibility_timeout / BEATS_PER_LEASE))
        due = [attempt for attempt in unwritten() if _is_due(attempt)]
        if state.settings.heartbeat:
            due += [attempt for attempt in running if not attempt.context.may_outlive_its_lease() and _is_due(attempt)]
        if not due:
            continue
        try:
            await _extend(state, link, due)
            trouble.over()
        except ConnectionLostError:
            pass  # said once, by the outage; leases that run out meanwhile come again
        except psycopg.Error as exc:
            trouble.met(exc)


def _is_due(attempt: Attempt) -> bool:
    """Whether a third of its lease or more is over."""
    return attempt.lease_left() <= (1 - 1 / BEATS_PER_LEASE) * attempt.settings.visibility_timeout


async def _extend(state: WorkerState, link: Link, due: list[Attempt]) -> None:
    lease = state.settings.visibility_timeout
    body: list[dict[str, Any]] = [
        {"command_id": attempt.key, "msg_id": attempt.context.msg_id, "attempt": attempt.context.attempt}
        for attempt in due
    ]
    lease_ends = time.monotonic() + lease
    extended = set(await link.value(EXTEND, (state.domain, json.dumps(body), lease)))
    for attempt in due:
        if attempt.key in extended:
            attempt.lease_ends = lease_ends
