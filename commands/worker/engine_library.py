"""Engine ``library``: the library's own Worker as published, there to be compared and judged.

Three things make it run at all: its queue client reads columns by name, its connections let go of their lock when it
leaves a loop over notifications, and a supervisor starts it again when it dies.
A wrapper round each handler does for it what engine ``native`` does in SQL, each statement in a transaction of its own
and unfenced. What it does otherwise than ``native`` is said at start (``DEVIATIONS``) and listed in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from commandbus import (
    BusinessRuleException,
    Command,
    HandlerContext,
    HandlerRegistry,
    PermanentCommandError,
    RetryPolicy,
    Worker,
)
from psycopg_pool import AsyncConnectionPool

from commands.rules.payload import storable_json
from commands.rules.words import UNREADABLE
from commands.worker import reading
from commands.worker.failures import failure_of, gives_up
from commands.worker.handlers import AttemptContext
from commands.worker.library_connections import NamedColumnsClient, UnlockedConnection
from e2e_site.database import Backoff, ConnectionLostError
from settings_app.backoff import library_schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from commands.worker.state import WorkerState

logger = logging.getLogger(__name__)

DEVIATIONS = (
    "batch_size has no effect: it takes as many messages as it has free slots",
    "each backoff is rounded up to whole seconds",
    "a command's own max_attempts is ignored: the worker's setting counts",
    "deliveries have no limit when leases run out or workers die",
    "late ends of expired attempts overwrite the status and send further replies",
    "heartbeat has no effect: no lease is extended",
)
COUNT_ATTEMPT = """
    UPDATE public.test_command SET attempts = attempts + 1 WHERE command_id = %s RETURNING attempts, behavior::text
"""
WRITE_RESULT = """
    UPDATE public.test_command SET result = %s::jsonb, processed_at = clock_timestamp() WHERE command_id = %s
"""


class LibraryEngine:
    """Runs the library's Worker under a supervisor until told to stop."""

    POOL_SIZE = 6  # fixed, whatever the concurrency: one listens, the rest take turns

    def __init__(
        self, registry: HandlerRegistry, state: WorkerState, params: Mapping[str, Any], *, use_notify: bool
    ) -> None:
        self._registry = registry
        self._state = state
        self._use_notify = use_notify  # on a connection of its pool
        self._params = {**params, "application_name": "runworker library"}
        self._gives_up = False  # attempts that still run

    async def run(self) -> int:
        """Work until ``state.stop`` (or, with ``once``, until the queue is empty); returns attempts given up."""
        for deviation in DEVIATIONS:
            logger.warning("engine library: %s", deviation, extra={"action": "deviation"})
        backoff = Backoff()
        while True:
            await self._sit_out_a_pause()
            if self._state.stop.is_set():
                return 0
            self._state.settings_changed.clear()
            # A pool for each run: the library leaves its listening connection in it, in another mode.
            pool = AsyncConnectionPool(
                kwargs=self._params,
                connection_class=UnlockedConnection,
                min_size=1,
                max_size=self.POOL_SIZE,
                open=False,
            )
            await pool.open()
            try:
                abandoned = await self._run_once(pool)
            except Exception as exc:  # noqa: BLE001  # the supervisor starts it again, whatever it died of
                logger.warning("library worker died, starting it again: %s", exc, extra={"action": "restarted"})
                await asyncio.sleep(backoff.next())
                continue
            finally:
                await pool.close()
            if self._state.stop.is_set() or abandoned is None:
                return abandoned or 0
            backoff.reset()

    async def _sit_out_a_pause(self) -> None:
        """Return when the queue is not paused, or at a stop."""
        state = self._state
        while state.settings.paused and not state.stop.is_set():
            state.wake.clear()
            await state.wake.wait()

    async def _run_once(self, pool: AsyncConnectionPool[Any]) -> int | None:
        """One life of the Worker: to a stop (attempts given up), an empty queue (``None``), or a change of settings."""
        state, settings = self._state, self._state.settings
        self._gives_up = False
        worker = self._worker(pool)
        runner = asyncio.create_task(worker.run(settings.concurrency, settings.poll_interval, self._use_notify))
        watchers: list[asyncio.Task[Any]] = [
            asyncio.create_task(event.wait()) for event in (state.stop, state.settings_changed)
        ]
        if state.once:
            watchers.append(asyncio.create_task(self._until_empty(worker)))
        try:
            await asyncio.wait([runner, *watchers], return_when=asyncio.FIRST_COMPLETED)
            if runner.done():
                runner.result()
            empty = state.once and watchers[-1].done()
            running = await self._stop(worker, runner)
            return None if empty and not running else running
        finally:
            self._gives_up = True
            for task in (runner, *watchers):
                task.cancel()
            await asyncio.gather(runner, *watchers, return_exceptions=True)

    async def _stop(self, worker: Worker, runner: asyncio.Task[None]) -> int:
        """Let running attempts end: for the grace after a stop, for as long as they take when settings changed."""
        hurry: asyncio.Future[Any] = asyncio.create_task(self._state.hurry.wait())
        stop: asyncio.Future[Any] = asyncio.create_task(self._state.stop.wait())
        ended: asyncio.Future[Any] = asyncio.create_task(_end(worker, runner))
        await asyncio.wait([ended, stop], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([ended, hurry], timeout=self._state.grace, return_when=asyncio.FIRST_COMPLETED)
        running = 0 if ended.done() else worker.in_flight_count
        self._gives_up = True  # what is cancelled now, with those that wait for it
        for waiting in (ended, hurry, stop):
            waiting.cancel()
        await asyncio.gather(ended, hurry, stop, return_exceptions=True)
        return int(running)

    def _worker(self, pool: AsyncConnectionPool[Any]) -> Worker:
        settings = self._state.settings
        schedule = library_schedule(
            settings.max_attempts,
            base_delay_ms=settings.base_delay_ms,
            max_delay_ms=settings.max_delay_ms,
            multiplier=settings.backoff_multiplier,
        )
        worker = Worker(
            pool,
            self._state.domain,
            registry=self._wrapped(pool),
            visibility_timeout=settings.visibility_timeout,
            retry_policy=RetryPolicy(max_attempts=settings.max_attempts, backoff_schedule=schedule),
        )
        worker._pgmq = NamedColumnsClient(pool)  # the one change that makes it read at all
        return worker

    async def _until_empty(self, worker: Worker) -> None:
        while True:
            try:
                if await self._state.messages_left() == 0 and worker.in_flight_count == 0:
                    return
            except ConnectionLostError:
                pass  # said once, by the outage
            await asyncio.sleep(min(0.1, self._state.settings.poll_interval))

    def _wrapped(self, pool: AsyncConnectionPool[Any]) -> HandlerRegistry:
        """A registry with the same handlers, each with what ``native`` reads and writes in SQL around it."""
        wrapped = HandlerRegistry()
        for domain, command_type in self._registry.registered_handlers():
            handler = self._registry.get_or_raise(domain, command_type)
            wrapped.register(domain, command_type, self._wrap(pool, handler))
        return wrapped

    def _wrap(
        self, pool: AsyncConnectionPool[Any], handler: Callable[[Command, HandlerContext], Awaitable[Any]]
    ) -> Callable[[Command, HandlerContext], Awaitable[Any]]:
        async def wrapper(command: Command, context: HandlerContext) -> Any:
            async with pool.connection() as conn:
                cursor = await conn.execute(COUNT_ATTEMPT, (command.command_id,))
                life_attempt, stored = await cursor.fetchone() or (0, None)
            attempt = AttemptContext(
                command=command,
                attempt=context.attempt,
                max_attempts=context.max_attempts,
                msg_id=context.msg_id,
                behavior=None if stored is None else reading.any_value(stored),
                life_attempt=life_attempt,
            )
            text = await self._counted(context, self._performed(handler, attempt))
            async with pool.connection() as conn:
                await conn.execute(WRITE_RESULT, (text, command.command_id))
            return json.loads(text)

        return wrapper

    async def _performed(
        self, handler: Callable[[Command, HandlerContext], Awaitable[Any]], context: AttemptContext
    ) -> str:
        """What the handler returned, as JSON text. Whatever it raises becomes an error that the library can store."""
        command = context.command
        problem = reading.first_unreadable(data=command.data, behavior=context.behavior)
        if problem is not None:
            raise PermanentCommandError(UNREADABLE, problem)
        try:
            return storable_json(await handler(command, context), "result")
        except BaseException as exc:
            if gives_up(exc, given_up=self._gives_up):
                raise
            raise failure_of(exc, command.command_id).as_error() from exc

    async def _counted(self, context: HandlerContext, attempt: Awaitable[Any]) -> Any:
        """Count what the handler did: the library says no more than that."""
        state, counts = self._state, self._state.counts
        state.in_flight += 1
        counts.received += 1
        try:
            result = await attempt
        except BusinessRuleException:
            counts.failed += 1
            raise
        except Exception as exc:
            last = context.attempt >= state.settings.max_attempts
            if last or isinstance(exc, PermanentCommandError):
                counts.parked += 1
            else:
                counts.retried += 1
            raise
        else:
            counts.completed += 1
            return result
        finally:
            state.in_flight -= 1


async def _end(worker: Worker, runner: asyncio.Task[None]) -> None:
    """Let the Worker end: it waits for what runs, and for its next poll too, unless it is woken."""
    while not runner.done():
        await worker.stop(timeout=None)
        await asyncio.wait([runner], timeout=1)  # a receive may be under way, and start more
        if not worker.in_flight_count:
            runner.cancel()
