"""What the parts of one worker process share, and its row in ``public.e2e_worker``."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import socket
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from psycopg import sql

from commands.rules.words import DOMAIN, command_queue, queue_table
from commands.worker.trouble import Trouble
from e2e_site.database import ConnectionLostError, Link
from settings_app.models import Worker
from settings_app.values import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

BEAT_S = 2.0
POLLING_BEAT_S = 1.0  # no notification tells of new settings

LOAD = "SELECT to_jsonb(c) FROM public.e2e_config c WHERE c.id = 1"
# A sign of life, and on the way back the newest settings, and whether the last sign was so long ago that others took
# this worker for dead. After a long stop the row may be gone.
BEAT = """
    WITH before AS (SELECT beat_at FROM public.e2e_worker WHERE worker_id = %(worker_id)s)
    INSERT INTO public.e2e_worker AS w (worker_id, host, pid, engine, queue_name, polling, started_at,
        settings_version, overrides, concurrency, in_flight, received, completed, retried, parked, failed, late, kept)
    VALUES (%(worker_id)s, %(host)s, %(pid)s, %(engine)s, %(queue_name)s, %(polling)s,
        clock_timestamp() - make_interval(secs => %(age_s)s), %(settings_version)s, %(overrides)s::jsonb,
        %(concurrency)s, %(in_flight)s, %(received)s, %(completed)s, %(retried)s, %(parked)s, %(failed)s, %(late)s,
        %(kept)s::jsonb)
    ON CONFLICT (worker_id) DO UPDATE SET
        beat_at = clock_timestamp(), settings_version = excluded.settings_version, concurrency = excluded.concurrency,
        in_flight = excluded.in_flight, received = excluded.received, completed = excluded.completed,
        retried = excluded.retried, parked = excluded.parked, failed = excluded.failed, late = excluded.late,
        kept = excluded.kept
    RETURNING (SELECT to_jsonb(c) FROM public.e2e_config c WHERE c.id = 1),
        (SELECT clock_timestamp() - beat_at > %(silence)s FROM before),
        EXISTS (SELECT FROM public.e2e_operation WHERE state IN ('waiting', 'running'))
"""
TAKE_BACK = "DELETE FROM public.e2e_worker WHERE worker_id = %s"
STOPPED = "UPDATE public.e2e_worker SET stopped_at = clock_timestamp(), in_flight = 0, kept = '[]' WHERE worker_id = %s"
FORGET_OLD = "DELETE FROM public.e2e_worker WHERE beat_at < clock_timestamp() - interval '1 day'"


@dataclass(kw_only=True)
class Counts:
    """Attempts since the process started, by what became of them."""

    received: int = 0
    completed: int = 0
    retried: int = 0
    parked: int = 0
    failed: int = 0
    late: int = 0


@dataclass(kw_only=True)
class WorkerState:
    """One worker process: what it was asked, what it runs with, what it did, and the events that move it.

    ``grace`` is the seconds that running attempts get after a stop; ``overrides`` are settings of the command line.
    """

    engine: str
    settings: WorkerSettings
    link: Link
    once: bool = False
    grace: float = 30.0
    overrides: Mapping[str, int | float] = field(default_factory=dict)
    domain: str = DOMAIN
    polling: bool = False  # nothing notifies it
    worker_id: UUID = field(default_factory=uuid4)
    began: float = field(default_factory=time.monotonic)
    counts: Counts = field(default_factory=Counts)
    in_flight: int = 0
    kept: list[int] = field(default_factory=list)  # messages of ended attempts whose rows other transactions hold
    gave_way: bool = False  # to a worker of the other engine, which came while the connection was lost
    shut_out: bool = False  # it was to empty the queue, and may take nothing
    stop: asyncio.Event = field(default_factory=asyncio.Event)  # take nothing more, drain
    hurry: asyncio.Event = field(default_factory=asyncio.Event)  # give up what is running
    wake: asyncio.Event = field(default_factory=asyncio.Event)  # look at the queue, the settings, and stop
    beat_now: asyncio.Event = field(default_factory=asyncio.Event)  # settings, or what the row says, may have changed
    was_silent: asyncio.Event = field(default_factory=asyncio.Event)  # others may have taken it for dead
    operating: bool = False  # an operation is being worked off
    operations_due: asyncio.Event = field(default_factory=asyncio.Event)  # there may be operations to work off
    settings_changed: asyncio.Event = field(default_factory=asyncio.Event)  # for an engine that must restart for it
    beaten: float = -math.inf  # when its row was written last (time.monotonic)
    receive_trouble: Trouble = field(default_factory=lambda: Trouble("receive"))
    finish_trouble: Trouble = field(default_factory=lambda: Trouble("finish"))

    @property
    def queue_name(self) -> str:
        return command_queue(self.domain)

    def request_stop(self) -> None:
        """First call: drain. Second call: at once."""
        if self.stop.is_set():
            self.hurry.set()
        self.stop.set()
        self.wake.set()

    def heed_pause(self) -> None:
        """Say whether the queue is paused; with ``once`` end there, since a pause may last for ever."""
        if not self.settings.paused:
            logger.info("resumed", extra={"action": "resumed"})
            return
        logger.warning("paused: takes nothing more from the queue", extra={"action": "paused"})
        if self.once and not self.stop.is_set():
            self.shut_out = True
            self.request_stop()

    async def messages_left(self) -> int:
        """Rows of the queue table, delayed and leased ones included; with ``operating`` there may be more to come."""
        count: int = await self.link.value(count_messages(self.queue_name))
        return count

    async def keep_beating(self) -> None:
        """Write a sign of life every two seconds, and at once when the settings may have changed."""
        pause = POLLING_BEAT_S if self.polling else BEAT_S
        await self._try(self.link.rows(FORGET_OLD))
        while True:
            self.beat_now.clear()
            await self._try(self.beat())
            try:
                await asyncio.wait_for(self.beat_now.wait(), pause)
            except TimeoutError:
                continue

    async def beat(self) -> None:
        """Write the row; take newer settings, and then say so in the row at once."""
        ((newest, silent, operations),) = await self.link.rows(BEAT, self._row())
        self.beaten = time.monotonic()
        if operations:
            self.operations_due.set()
        if silent:
            self.was_silent.set()
        if newest["version"] != self.settings.version:
            self.apply(newest)
            await self.link.value(BEAT, self._row())

    def apply(self, row: Mapping[str, Any]) -> None:
        """Work with this row of ``e2e_config`` from now on; what runs already keeps what it started with."""
        was_paused = self.settings.paused
        self.settings = effective(row, self.overrides)
        self.settings_changed.set()
        self.wake.set()
        logger.info("settings applied", extra={"action": "settings_applied", "version": self.settings.version})
        if self.settings.paused != was_paused:
            self.heed_pause()

    def readiness(self, *, connected: bool) -> dict[str, str]:
        """What ``/readyz`` tells: why each of these is not well, or ""."""
        silent_s = time.monotonic() - self.beaten
        receiving = "it drains" if self.stop.is_set() else "the server refuses" if self.receive_trouble.lasts else ""
        return {
            "database": "" if connected else "the connection to the database is lost",
            "settings": "" if silent_s < Worker.SILENCE.total_seconds() else f"not read for {silent_s:.0f} s",
            "receiving": receiving,
            "finishing": "the server refuses" if self.finish_trouble.lasts else "",
        }

    async def take_back(self) -> None:
        """Remove the row of a worker that does not start."""
        await self._try(self.link.rows(TAKE_BACK, (self.worker_id,)))

    async def say_goodbye(self) -> None:
        await self._try(self.link.value(BEAT, self._row()))
        await self._try(self.link.rows(STOPPED, (self.worker_id,)))

    def _row(self) -> dict[str, Any]:
        return {
            "worker_id": self.worker_id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "engine": self.engine,
            "queue_name": self.queue_name,
            "polling": self.polling,
            "silence": Worker.SILENCE,
            "age_s": time.monotonic() - self.began,
            "settings_version": self.settings.version,
            "overrides": json.dumps(dict(self.overrides)),
            "concurrency": self.settings.concurrency,
            "in_flight": self.in_flight,
            "kept": json.dumps(self.kept),
            **asdict(self.counts),
        }

    @staticmethod
    async def _try(statement: Any) -> None:
        """A beat that fails is made up for by the next one."""
        try:
            await statement
        except ConnectionLostError:
            pass  # said once, by the outage
        except Exception as exc:  # noqa: BLE001  # the sign of life must not end the worker
            logger.error("cannot write the worker's row: %s", exc, extra={"action": "beat_failed"})  # noqa: TRY400


def count_messages(queue: str) -> sql.Composed:
    """A statement that counts the rows of a queue's table."""
    return sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("pgmq", queue_table(queue)))


def effective(row: Mapping[str, Any], overrides: Mapping[str, int | float]) -> WorkerSettings:
    """The settings of an ``e2e_config`` row, with those of the command line in place of theirs."""
    return replace(WorkerSettings.from_row(row), **overrides)  # type: ignore[arg-type]  # parsed by the same names
