"""The heartbeat: leases of attempts that still run are extended, where the settings say so.

It is off by default, so that a lease that runs out can be seen. A `timeout` command is never extended: it is there to
show what happens then.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import psycopg

from e2e_site.database import ConnectionLostError, Link

if TYPE_CHECKING:
    from collections.abc import Iterable

    from commands.worker.attempts import Attempt
    from commands.worker.state import WorkerState

logger = logging.getLogger(__name__)

EXTEND = "SELECT commandbus.extend_leases(%s, %s::jsonb, %s)"
BEATS_PER_LEASE = 3


async def keep_leases(state: WorkerState, link: Link, running: Iterable[Attempt]) -> None:
    """Extend the leases of what is ``running`` three times per lease, until cancelled."""
    while True:
        await asyncio.sleep(min(1.0, state.settings.visibility_timeout / BEATS_PER_LEASE))
        if not state.settings.heartbeat:
            continue
        due = [attempt for attempt in running if _is_due(attempt)]
        if not due:
            continue
        try:
            await _extend(state, link, due)
        except ConnectionLostError:
            pass  # said once, by the outage; leases that run out meanwhile come again
        except psycopg.Error as exc:
            logger.error("cannot extend leases: %s", exc, extra={"action": "heartbeat_failed"})  # noqa: TRY400  # one line


def _is_due(attempt: Attempt) -> bool:
    """Whether a third of its lease or more is over."""
    if attempt.context.may_outlive_its_lease():
        return False
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
