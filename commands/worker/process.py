"""A worker process: connections, signals, settings and row around one engine. ``manage.py runworker`` calls ``work``.

work ─► Listener (notifications, lock)   NativeEngine or LibraryEngine ─► handlers
     └► WorkerState (settings, row, counts, events) ◄──────┘
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from commands.rules.words import DOMAIN, Engine, command_queue
from commands.worker.engine_library import LibraryEngine
from commands.worker.engine_native import NativeEngine
from commands.worker.listener import Listener, StartError
from commands.worker.operating import operate
from commands.worker.probes import Probes
from commands.worker.sampling import Sampling
from commands.worker.state import LOAD, WorkerState, effective
from e2e_site.database import ConnectionLostError, Link, Outage, end_all, within
from e2e_site.options import Exit

if TYPE_CHECKING:
    from commandbus import HandlerRegistry

logger = logging.getLogger(__name__)

GOODBYE_S = 2.0  # for the last statements of a worker that ends


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks. ``max_wait`` and ``grace`` are seconds; ``handlers`` and ``around`` name modules.

    ``samples``: whether it takes its turn at sampling.
    """

    engine: Engine = Engine.NATIVE
    domain: str = DOMAIN
    handlers: str | None = None
    around: str | None = None
    once: bool = False
    max_wait: float | None = None
    grace: float = 30.0
    samples: bool = True
    overrides: Mapping[str, int | float] = field(default_factory=dict)


class RunningEngine(Protocol):
    """What performs commands until ``state.stop``; answers how many attempts it gave up."""

    async def run(self) -> int: ...


def connections_needed(engine: Engine) -> int:
    """Connections of one worker process, whatever its concurrency: listen, receive, and finish or the library's.

    While it works an operation off it takes one more, and waits where there is none. So does the one that samples.
    """
    return 3 if engine == Engine.NATIVE else 2 + LibraryEngine.POOL_SIZE


async def check_start(
    options: Options, params: Mapping[str, Any], direct: Mapping[str, Any] | None, *, workers: int
) -> None:
    """Raise ``StartError`` where so many of these workers could not start."""
    listener = Listener(params, command_queue(options.domain), options.engine, Outage(), direct=direct)
    await listener.open(needed=workers * connections_needed(options.engine), workers=workers)
    await listener.close()


async def work(
    options: Options,
    registry: HandlerRegistry,
    params: Mapping[str, Any],
    direct: Mapping[str, Any] | None = None,
    *,
    probes: Probes | None = None,
) -> int:
    """Run one worker until it is told to stop; returns the process's exit code. Raises ``StartError``.

    ``direct``: how to connect past a pooler, where ``params`` lead through one.
    """
    _calm_collector()
    outage = Outage()
    links = [Link(params, outage, name=f"runworker {name}") for name in ("receive", "finish", "operate", "sample")]
    listener = Listener(params, command_queue(options.domain), options.engine, outage, direct=direct)
    await listener.open(needed=connections_needed(options.engine))
    try:
        state = await _state(options, links[0], polling=listener.polling)
        await listener.join(state)
        engine: RunningEngine
        if options.engine == Engine.NATIVE:
            engine = NativeEngine(registry, state, *links[:2])
        else:
            engine = LibraryEngine(registry, state, params, use_notify=not await links[0].is_pooled())
        sampling = Sampling(links[0], links[3]) if options.samples else None
        answering = (probes or Probes()).run(lambda: state.readiness(connected=not outage.lasts))
        beside = {"listen": listener.run(state), "operate": operate(state, links[2]), "probes": answering}
        if sampling:
            beside["sample"] = sampling.run()
        return await _run(engine, state, sampling, beside, options)
    finally:
        await listener.close()
        for link in links:
            await link.close()


def _calm_collector() -> None:
    """Have Python's collector look more rarely, and no more at what the process is made of.

    Commands come and go by the thousand and leave no circles behind; looking for such took a fifth of a worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


async def _state(options: Options, link: Link, *, polling: bool) -> WorkerState:
    try:
        row = await link.value(LOAD)
    except ConnectionLostError as exc:
        raise StartError(f"cannot connect to the database: {exc}", again=True) from exc
    if row is None:
        raise StartError('the settings row is missing; run "manage.py setup"')
    state = WorkerState(
        engine=options.engine,
        domain=options.domain,
        settings=effective(row, options.overrides),
        link=link,
        once=options.once,
        grace=options.grace,
        overrides=options.overrides,
        polling=polling,
    )
    await state.beat()
    return state


async def _run(
    engine: RunningEngine,
    state: WorkerState,
    sampling: Sampling | None,
    beside: Mapping[str, Coroutine[Any, Any, None]],
    options: Options,
) -> int:
    """Run the engine, and ``beside`` it what it needs, by name."""
    side_tasks = [asyncio.create_task(task, name=name) for name, task in beside.items()]
    side_tasks.append(asyncio.create_task(state.keep_beating(), name="beat"))
    over = False

    def max_wait_is_over() -> None:
        nonlocal over
        over = True
        if not state.stop.is_set():
            state.request_stop()

    if options.max_wait is not None:
        asyncio.get_running_loop().call_later(options.max_wait, max_wait_is_over)
    with _signals(state):
        _say_started(state)
        if state.settings.paused:
            state.heed_pause()
        try:
            abandoned = await engine.run()
        finally:
            await end_all(side_tasks)
    with contextlib.suppress(TimeoutError):
        await within(GOODBYE_S, _say_goodbye(state, sampling))
    return await _exit_code(state, abandoned=abandoned, over=over)


async def _say_goodbye(state: WorkerState, sampling: Sampling | None) -> None:
    await asyncio.gather(state.say_goodbye(), *([sampling.leave()] if sampling else []))


def _say_started(state: WorkerState) -> None:
    settings = state.settings
    logger.info(
        "worker started",
        extra={
            "action": "started",
            "worker": state.worker_id,
            "engine": state.engine,
            "queue": state.queue_name,
            "concurrency": settings.concurrency,
            "batch_size": settings.batch_size,
            "lease_s": settings.visibility_timeout,
            "settings": settings.version,
        },
    )
    if state.polling:
        logger.warning(
            "polling: a pooler is between this worker and the database; LISTEN_DATABASE_URL would name a direct way",
            extra={"action": "polling", "every_s": settings.poll_interval},
        )


async def _exit_code(state: WorkerState, *, abandoned: int, over: bool) -> int:
    extra: dict[str, Any] = {"action": "stopped", "received": state.counts.received}
    if over or state.shut_out:
        try:
            left: int | str = await within(GOODBYE_S, state.messages_left())
        except (ConnectionLostError, TimeoutError):
            left = "unknown"
        if left:
            why = "the queue is paused" if state.shut_out else "max wait is over"
            logger.warning("stopped: %s", why, extra={**extra, "left": left})
            return Exit.TIME_IS_UP
    if abandoned:
        logger.warning("stopped: attempts given up, they come again", extra={**extra, "abandoned": abandoned})
        return Exit.FAILED
    logger.info("stopped", extra=extra)
    return Exit.FAILED if state.gave_way else Exit.DONE  # to a worker of the other engine


@contextlib.contextmanager
def _signals(state: WorkerState) -> Iterator[None]:
    """The first SIGTERM or SIGINT drains, the second stops at once."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        logger.info("stopping at once" if state.stop.is_set() else "draining", extra={"action": "signal"})
        state.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
