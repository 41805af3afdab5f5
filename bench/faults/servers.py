"""Faults of a server that is the run's own: it crashes, takes no write, is full, stands still."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from psycopg import errors

from bench.faults.bench import FaultError
from bench.faults.disk import Ballast
from bench.faults.inject import injects, judges
from bench.faults.judging import live_on, processes, resumed
from bench.faults.proxy import is_silent
from bench.scenarios.faults import FillConnections, FreezeServer, FullDisk, ReadOnly, RestartServer
from e2e_site.embedded.home import EmbeddedError
from e2e_site.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.faults.bench import Bench, Recorder
    from e2e_site.embedded.cluster import Cluster

CAUGHT_WITHIN_S = 20
DONE_WITHIN_S = 30
_LOOK_S = 0.1
_STOPPED_WITHIN_S = 5
_POSTMASTER = r"SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int"
_STARTED = "SELECT pg_postmaster_start_time()"
_END_WORKERS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND starts_with(application_name, 'runworker')
"""
_WORKERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND starts_with(application_name, 'runworker')
"""
# A session that may write, whatever the server's default is.
_WRITES = "-c default_transaction_read_only=off"
_PROBE = "CREATE TABLE public.bench_probe AS SELECT repeat('x', 1000) FROM generate_series(1, 100)"
_NO_PROBE = "DROP TABLE IF EXISTS public.bench_probe"


@injects(RestartServer)
def restart(fault: RestartServer, bench: Bench, recorder: Recorder) -> None:
    """SIGQUIT to the postmaster, which is what ``pg_ctl stop -m immediate`` does; then start it."""
    cluster, before = _cluster(bench), processes(bench)
    with bench.connection() as conn:
        started = _value(conn, _STARTED)
        postmaster = int(_value(conn, _POSTMASTER))
        _wait_for_flight(bench, conn)
        in_flight = bench.in_flight(conn)
    port = cluster.port
    recorder.begin()
    os.kill(postmaster, signal.SIGQUIT)
    try:
        bench.wait_until(lambda: not cluster.is_running(), DONE_WITHIN_S, "the end of the server")
        bench.wait(bench.plan.scenario.seconds(fault.down))
    finally:
        _start(cluster)
    recorder.end()
    if cluster.port != port:
        raise FaultError("another program took the port of the server while it was down")
    with bench.connection() as conn:
        if _value(conn, _STARTED) <= started:
            raise FaultError("the server did not restart")
    recorder.fire(f"with {in_flight} in flight")
    live_on(bench, recorder, before)


@injects(ReadOnly)
def read_only(fault: ReadOnly, bench: Bench, recorder: Recorder) -> None:
    """Every transaction that does not ask for more may only read, in the sessions that are open too."""
    _cluster(bench)
    before = processes(bench)
    with bench.connection(options=_WRITES) as conn:
        recorder.begin()
        try:
            _default_read_only(conn, "on")
            bench.wait_until(lambda: not _may_write(bench), DONE_WITHIN_S, "a write that is refused")
            recorder.fire("writes are refused")
            bench.wait(bench.plan.scenario.seconds(fault.lasts))
        finally:
            _default_read_only(conn, "off")
        bench.wait_until(lambda: _may_write(bench), DONE_WITHIN_S, "a write that is taken")
    recorder.end()
    live_on(bench, recorder, before)


def _default_read_only(conn: psycopg.Connection[Any], value: str) -> None:
    conn.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    conn.execute("SELECT pg_reload_conf()")


def _may_write(bench: Bench) -> bool:
    with bench.connection() as conn:
        try:
            conn.execute("UPDATE public.e2e_config SET paused = paused WHERE FALSE")
        except errors.ReadOnlySqlTransaction:
            return False
    return True


@injects(FillConnections)
def fill_connections(fault: FillConnections, bench: Bench, recorder: Recorder) -> None:
    """Others take every connection but ``leave``, those that are reserved for superusers too."""
    _cluster(bench)
    before = processes(bench)
    with ExitStack() as held, bench.connection(application_name="bench fill") as conn:
        recorder.begin()
        taken: list[psycopg.Connection[Any]] = []
        deadline = time.monotonic() + DONE_WITHIN_S
        while True:
            conn.execute(_END_WORKERS)
            _take_all(bench, held, taken)
            for _ in range(min(fault.leave, len(taken))):
                taken.pop().close()
            if int(_value(conn, _WORKERS)) <= fault.leave:
                break
            if time.monotonic() > deadline:
                raise FaultError("the workers kept more connections than they were left")
            bench.wait(0)
        limit = _value(conn, "SHOW max_connections")
        recorder.fire(f"{len(taken)} of {limit} connections are taken by others, and the workers' were ended")
        bench.wait(bench.plan.scenario.seconds(fault.lasts))
        had = int(_value(conn, _WORKERS))
        recorder.criterion("workers have no more than they were left", had <= fault.leave, f"{had} connections")
    recorder.end()
    live_on(bench, recorder, before)


def _take_all(bench: Bench, held: ExitStack, taken: list[psycopg.Connection[Any]]) -> None:
    """Connect until the server refuses it."""
    while True:
        try:
            conn = psycopg.connect(**{**bench.database.params, "application_name": "bench fill"}, autocommit=True)
        except psycopg.OperationalError:
            return
        taken.append(conn)
        held.callback(conn.close)


@injects(FreezeServer)
def freeze(fault: FreezeServer, bench: Bench, recorder: Recorder) -> None:
    """SIGSTOP to every process of the server, and SIGCONT in the end."""
    cluster, before = _cluster(bench), processes(bench)
    with bench.connection() as conn:
        postmaster = psutil.Process(int(_value(conn, _POSTMASTER)))
        _wait_for_flight(bench, conn)
    recorder.begin()
    with _frozen(postmaster) as frozen:
        bench.wait_until(lambda: all(map(_stands_still, frozen)), _STOPPED_WITHIN_S, "a stop of all its processes")
        if not is_silent("127.0.0.1", cluster.port):
            raise FaultError("the server still answers")
        recorder.fire(f"{len(frozen)} processes stand still")
        bench.wait(bench.plan.scenario.seconds(fault.lasts))
    recorder.end()
    live_on(bench, recorder, before)


def _stands_still(process: psutil.Process) -> bool:
    """Or it had ended, and the main process has not collected it."""
    return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)


@contextmanager
def _frozen(postmaster: psutil.Process) -> Iterator[list[psutil.Process]]:
    """The main process first, which then starts no others."""
    frozen = [postmaster]
    try:
        postmaster.send_signal(signal.SIGSTOP)
        frozen += postmaster.children(recursive=True)
        for process in list(frozen[1:]):
            try:
                process.send_signal(signal.SIGSTOP)
            except psutil.NoSuchProcess:
                frozen.remove(process)
        yield frozen
    finally:
        for process in reversed(frozen):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


@injects(FullDisk)
def full_disk(fault: FullDisk, bench: Bench, recorder: Recorder) -> None:
    """Take all the room, for a while; then give it back, and start the server again if it ended by that."""
    cluster, before = _cluster(bench), processes(bench)
    ballast = Ballast(cluster)
    with bench.connection() as conn:
        _wait_for_flight(bench, conn)
    recorder.begin()
    try:
        ends = bench.now_s + bench.plan.scenario.seconds(fault.lasts)
        deadline = ends + DONE_WITHIN_S
        while bench.now_s < ends or (not recorder.record.fired and bench.now_s < deadline):
            ballast.fill()
            if (said := _refusal(bench)) and not recorder.record.fired:
                recorder.fire(said)
            bench.wait(_LOOK_S)
    finally:
        ballast.remove()
        ended = not cluster.is_running()
        _start(cluster)
    if not recorder.record.fired:
        raise FaultError("the disk was full, and no write was refused")
    bench.wait_until(lambda: _takes_writes(bench), DONE_WITHIN_S, "a write that is taken")
    recorder.end()
    recorder.fire("the server ended and was started again" if ended else "the server went on by itself")
    live_on(bench, recorder, before)


def _refusal(bench: Bench) -> str:
    """What the server says of a write that needs room; empty where it takes it."""
    try:
        with bench.connection(connect_timeout=2) as conn:
            conn.execute(_NO_PROBE)
            conn.execute(_PROBE)
    except psycopg.Error as exc:
        return one_line(exc)
    return ""


def _takes_writes(bench: Bench) -> bool:
    try:
        with bench.connection(connect_timeout=2) as conn:
            conn.execute(_NO_PROBE)
            conn.execute(_PROBE)
            conn.execute(_NO_PROBE)
    except psycopg.Error:
        return False
    return True


@judges(RestartServer)
@judges(ReadOnly)
@judges(FillConnections)
@judges(FreezeServer)
@judges(FullDisk)
def judge_resumed(fault: object, bench: Bench, recorder: Recorder) -> None:
    resumed(bench, recorder)


def _cluster(bench: Bench) -> Cluster:
    if bench.cluster is None:
        raise FaultError("there is no server of the run's own")
    return bench.cluster


def _start(cluster: Cluster) -> None:
    try:
        cluster.ensure_running(lambda line: None)
    except EmbeddedError as exc:
        raise FaultError(f"the server could not be started again: {exc}") from exc


def _wait_for_flight(bench: Bench, conn: psycopg.Connection[Any]) -> None:
    bench.wait_until(lambda: bench.in_flight(conn) > 0, CAUGHT_WITHIN_S, "an attempt in flight")


def _value(conn: psycopg.Connection[Any], query: str) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0]
