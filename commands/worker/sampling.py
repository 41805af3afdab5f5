"""Samples are taken by one process at a time: a side task of every worker asks for its turn, and so does ``sampler``.

SQL does all of it (``R__12_samples.sql``), and decides whose turn it is by the row that a sample locks anyway: so it
works through a pooler too, and a process that is frozen or cut off keeps no other from taking over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

import psycopg

from commands.worker.trouble import Trouble
from e2e_site.database import ConnectionLostError
from settings_app.models import Worker

if TYPE_CHECKING:
    from e2e_site.database import Link

logger = logging.getLogger(__name__)

TURN_S = 1.5  # between two questions whether it is this process's turn
HELD_S = 30.0  # counts that wait for so long are worth a line

SAMPLE_DEADLINE_S = 30.0  # a look at a long queue that nothing has read lately

MAY_SAMPLE = "SELECT commandbus.may_sample(%s)"
TAKE = "SELECT commandbus.take_sample(%s, %s)"
STOP = "SELECT commandbus.stop_sampling(%s)"


def own_name() -> str:
    """How this process is called in ``e2e_sampler``."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Sampling:
    """Samples every second while it is this process's turn, else asks every 1.5 s whether it is.

    It asks by ``shared``, a connection that the process has anyway, and samples by ``own``, which is open meanwhile.
    """

    def __init__(self, shared: Link, own: Link) -> None:
        self._shared = shared
        self._own = own
        self._samples = False
        self._held = False
        self._trouble = Trouble("sample")

    async def run(self) -> None:
        """Until cancelled; what the server refuses is said once and tried again."""
        while True:
            try:
                pause = await self._next()
                self._trouble.over()
            except ConnectionLostError:  # which the link has said
                pause = await self._give_up()
            except psycopg.Error as exc:
                self._trouble.met(exc)
                pause = await self._give_up()
            await asyncio.sleep(pause)

    async def leave(self) -> None:
        """Count what happened until now, and let another begin at once; where that fails, it does so after a while.

        A process may end before its first sample.
        """
        with contextlib.suppress(ConnectionLostError, psycopg.Error):
            if self._samples or await self._may_sample():
                await take(self._own)
                await self._own.value(STOP, (own_name(),))

    async def _next(self) -> float:
        """Sample, or ask; how long to wait then, in seconds."""
        if not self._samples and not await self._may_sample():
            return TURN_S
        answer = await take(self._own)
        if answer["sampled"] != self._samples:
            self._samples = answer["sampled"]
            self._say_changed(answer)
        if not self._samples:
            return await self._give_up()
        self._say_held(answer["held_s"])
        return float(answer["due_ms"]) / 1000

    async def _may_sample(self) -> bool:
        may: bool = await self._shared.value(MAY_SAMPLE, (own_name(),))
        return may

    async def _give_up(self) -> float:
        """Until it is its turn again; how long to wait before it asks."""
        self._samples = False
        await self._own.close()
        return TURN_S

    def _say_changed(self, answer: dict[str, Any]) -> None:
        if self._samples:
            logger.info("samples from now on", extra={"action": "sampling"})
        else:
            logger.warning("another process samples", extra={"action": "sampling_lost", "sampler": answer["sampler"]})

    def _say_held(self, seconds: float) -> None:
        if seconds > HELD_S and not self._held:
            logger.warning(
                "the counts of what happens wait: a transaction that wrote events is open for %.0f s",
                seconds,
                extra={"action": "sampling_held"},
            )
        self._held = seconds > HELD_S


async def take(link: Link) -> dict[str, Any]:
    """One sample by this connection, if it is this process's turn. Raises as `Link.rows`."""
    asked = (own_name(), Worker.SILENCE)
    answer: dict[str, Any] = await link.value(TAKE, asked, deadline=SAMPLE_DEADLINE_S)
    return answer
