"""How messages are taken: the receiving half of engine ``native``.

take ─► receive_commands ─► Received ─► engine_native
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from commands.worker import reading
from commands.worker.blame import is_of_the_moment, is_too_much
from commands.worker.lookback import Lookback
from e2e_site.database import STATEMENT_DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from commands.worker.state import WorkerState
    from e2e_site.database import Link
    from settings_app.values import WorkerSettings

logger = logging.getLogger(__name__)

ONE_BY_ONE_DEADLINE_S = 60.0

RECEIVE = """
    SELECT commandbus.receive_commands(%(domain)s, %(limit)s, %(lease)s, %(after)s, p_worker => %(worker)s,
                                       p_not => %(not)s::bigint[])::text
"""
RECEIVE_ALONE = """
    SELECT commandbus.receive_commands(%(domain)s, 1, %(lease)s, %(msg_id)s - 1, %(msg_id)s, %(worker)s, TRUE)::text
"""
RECEIVE_ONE_BY_ONE = """
    SELECT commandbus.receive_one_by_one(%(domain)s, %(limit)s, %(lease)s, %(worker)s, %(not)s::bigint[])::text
"""


@dataclass(frozen=True, kw_only=True)
class Received:
    """What one receive answered.

    ``asked`` is when it was sent (``time.monotonic``): the leases began later. ``settings``: those in force then.
    ``due_s``: seconds until there may be more to see, where that is known. ``lone``: messages whose last attempt has to
    run alone in its process.
    """

    rows: list[list[Any]]
    asked: float
    settings: WorkerSettings
    dry: bool
    busy: int
    due_s: float | None
    lone: list[int]


class _Answer(NamedTuple):
    content: dict[str, Any]
    asked: float
    settings: WorkerSettings


class Receiver:
    """Asks for messages of one domain. ``waiting``: an answer is to come, and the server may have begun attempts."""

    def __init__(self, state: WorkerState, link: Link) -> None:
        self.waiting = False
        self._state = state
        self._link = link
        self._lookback = Lookback()
        self._most: int | None = None  # messages at a time, while they are too large for more

    async def take(self, wanted: int, *, unwritten: Sequence[int]) -> Received:
        """Up to so many messages, none of those that are ``unwritten``: they ended here and that is not yet stored.

        Raises ``ConnectionLostError``, or ``psycopg.Error`` where the moment is to blame.
        """
        after = self._lookback.after()
        params = {**self._params(), "after": after, "not": list(unwritten)}
        params["limit"] = limit = min(wanted, self._most or wanted)
        try:
            answer = await self._ask(RECEIVE, params)
        except psycopg.Error as exc:
            if is_too_much(exc) and limit > 1:
                self._most = limit // 2
                logger.warning("messages too large for one answer, taking %s", self._most, extra={"action": "halved"})
                return await self.take(wanted, unwritten=unwritten)
            if is_of_the_moment(exc):
                raise
            return await self._take_one_by_one(params, exc)
        if self._most is not None:
            self._most = None if limit == wanted else limit * 2
        content = answer.content
        through = content["dry"] or bool(content["commands"])
        self._lookback.looked(content["last"], content["look_us"] / 1e6, held=bool(content["busy"]), through=through)
        due_s = self._lookback.until_sweep() if after else None
        if content["due_ms"] is not None:
            due_s = content["due_ms"] / 1000
        return self._received(answer, due_s)

    async def take_alone(self, msg_id: int) -> Received:
        """This message, whose attempt has to run alone; nothing where another worker took it. Raises as ``take``."""
        return self._received(await self._ask(RECEIVE_ALONE, {**self._params(), "msg_id": msg_id}), None)

    async def _take_one_by_one(self, params: dict[str, Any], exc: psycopg.Error) -> Received:
        """The server refused a batch, perhaps for one message in it: each alone. Raises as ``take``."""
        answer = await self._ask(RECEIVE_ONE_BY_ONE, params, deadline=ONE_BY_ONE_DEADLINE_S)
        reason = exc.diag.message_primary
        logger.warning("the server refused a batch, took it one by one: %s", reason, extra={"action": "split"})
        self._lookback.start_again()
        return self._received(answer, None)

    def _params(self) -> dict[str, Any]:
        return {"domain": self._state.domain, "worker": self._state.worker_id}

    async def _ask(self, statement: Any, params: dict[str, Any], *, deadline: float = STATEMENT_DEADLINE_S) -> _Answer:
        settings, asked = self._state.settings, time.monotonic()
        self.waiting = True
        try:
            parameters = {**params, "lease": settings.visibility_timeout}
            text = await self._link.value(statement, parameters, deadline=deadline)
        finally:
            self.waiting = False
        return _Answer(reading.answer(text), asked, settings)

    def _received(self, answer: _Answer, due_s: float | None) -> Received:
        content, counts = answer.content, self._state.counts
        counts.received += len(content["commands"])
        counts.parked += content["parked"]
        if content["parked"]:
            logger.warning("parked at receive", extra={"action": "parked", "commands": content["parked"]})
        if content["rejected"]:
            logger.warning("rejected messages", extra={"action": "rejected", "messages": content["rejected"]})
        return Received(
            rows=content["commands"],
            asked=answer.asked,
            settings=answer.settings,
            dry=content["dry"],
            busy=content["busy"],
            due_s=due_s,
            lone=content["lone"],
        )
