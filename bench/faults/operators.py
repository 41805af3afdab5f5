"""Faults of operators: several act on one parked command at the same moment (F18), or start workers wrong (F21)."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Barrier
from typing import TYPE_CHECKING, Any

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.types.json import Jsonb

from bench.faults.bench import FaultError
from bench.faults.inject import injects, judges
from bench.faults.senders import new_ids, send_one
from bench.ledgers.sends import Told
from bench.scenarios.faults import BadSettings, Operators
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import DOMAIN, LETTERS, Engine, EventType, Status, command_queue
from e2e_site.options import Exit
from e2e_site.programs import Program, manage_command
from settings_app.values import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from bench.faults.bench import Bench, Recorder

PARKED_WITHIN_S = 30
REFUSED_WITHIN_S = 30
AT_ONCE = 3  # starts side by side
_NOT_PARKED = "55000"  # the error of the second and every later operator
_WORK_S, _OF_A_LEASE = 1.5, 0.5  # of an attempt: what is retried must not be parked again before all have acted
_ACTIONS = {
    "retry": "SELECT commandbus.operator_retry(%(domain)s, %(id)s, %(who)s)",
    "cancel": "SELECT commandbus.operator_cancel(%(domain)s, %(id)s, 'by the bench', %(who)s)",
    "complete": 'SELECT commandbus.operator_complete(%(domain)s, %(id)s, \'{"by": "hand"}\', %(who)s)',
}
# What becomes of it where that operator wins: its status, and its story.
_ENDS = {
    "retry": (Status.IN_TROUBLESHOOTING_QUEUE, "SRTORT"),
    "cancel": (Status.CANCELED, "SRTX"),
    "complete": (Status.COMPLETED, "SRTK"),
}
_PARKED = "SELECT count(*) FROM commandbus.command WHERE command_id = ANY (%s) AND status = 'IN_TROUBLESHOOTING_QUEUE'"
_CAME_TO = """
    SELECT c.status, string_agg(%(letters)s::jsonb ->> a.event_type, '' ORDER BY a.audit_id)
    FROM commandbus.command c JOIN commandbus.audit a USING (domain, command_id)
    WHERE c.command_id = %(id)s GROUP BY c.status
"""
_WON = {
    EventType.OPERATOR_RETRY: "retry",
    EventType.OPERATOR_CANCEL: "cancel",
    EventType.OPERATOR_COMPLETE: "complete",
}
_WINNERS = """
    SELECT a.command_id, array_agg(a.event_type ORDER BY a.audit_id) FROM commandbus.audit a
    JOIN (SELECT DISTINCT command_id FROM public.bench_send WHERE kind = %s) s USING (command_id)
    WHERE a.event_type = ANY (%s) GROUP BY a.command_id
"""


@injects(Operators)
def operators(fault: Operators, bench: Bench, recorder: Recorder) -> None:
    """Park some commands, then let all operators act on each at once. This module judges these commands itself."""
    work_s = min(_WORK_S, _OF_A_LEASE * bench.lease_s)
    behavior = Behavior(type=BehaviorType.FAIL_PERMANENT, execution_time_ms=round(work_s * 1000))
    ids = new_ids(bench, fault.do, fault.commands)
    bench.apart.update(ids)
    with bench.connection() as conn:
        for command_id in ids:
            if send_one(bench, conn, command_id, fault.do, behavior) is not Told.ACKNOWLEDGED:
                raise FaultError("a command for them could not be sent")
        bench.wait_until(lambda: _parked(conn, ids) == len(ids), PARKED_WITHIN_S, "the parking of their commands")
    recorder.begin()
    answers = _all_act(fault, bench, ids)
    recorder.fire(f"{fault.operators} operators acted on each of {fault.commands} parked commands at the same moment")
    recorder.end()
    one_wins = all(Counter(told) == {"": 1, _NOT_PARKED: fault.operators - 1} for told in answers)
    seen = Counter(answer or "done" for told in answers for answer in told)
    recorder.criterion(
        f"of those who act on one command one is told that it is done, the others why not ({_NOT_PARKED})", one_wins,
        ", ".join(f"{count} {word}" for word, count in sorted(seen.items())),
    )  # fmt: skip


def _all_act(fault: Operators, bench: Bench, ids: list[UUID]) -> list[tuple[str, ...]]:
    """What each was told, command by command: nothing where it was done, else the SQLSTATE of the refusal."""
    barrier = Barrier(fault.operators, timeout=PARKED_WITHIN_S)
    random = bench.random("operators")
    # Every action is there where there are enough operators; who does which is chance.
    plans = [[*_ACTIONS, *random.choices(list(_ACTIONS), k=fault.operators)][: fault.operators] for _ in ids]
    for plan in plans:
        random.shuffle(plan)

    def act(number: int) -> list[str]:
        told = []
        with bench.connection(application_name="bench operator") as conn:
            for command_id, plan in zip(ids, plans, strict=True):
                barrier.wait()
                told.append(_told(conn, plan[number], command_id, f"operator {number}"))
        return told

    with ThreadPoolExecutor(fault.operators) as pool:
        return list(zip(*pool.map(act, range(fault.operators)), strict=True))


def _told(conn: psycopg.Connection[Any], action: str, command_id: UUID, who: str) -> str:
    try:
        conn.execute(_ACTIONS[action], {"domain": DOMAIN, "id": command_id, "who": who})
    except psycopg.Error as exc:
        return exc.sqlstate or type(exc).__name__
    return ""


def _parked(conn: psycopg.Connection[Any], ids: list[UUID]) -> int:
    row = conn.execute(_PARKED, [ids]).fetchone()
    return int(row[0]) if row else 0


@judges(Operators)
def judge_operators(fault: Operators, bench: Bench, recorder: Recorder) -> None:
    """One event of an operator for each command, and what follows from it."""
    letters = Jsonb({event.value: letter for event, letter in LETTERS.items()})
    wrong, won = [], Counter[str]()
    with bench.connection() as conn:
        found = conn.execute(_WINNERS, [fault.do, list(_WON)]).fetchall()
        for command_id, events in found:
            action = _WON[events[0]]
            won[action] += 1
            came_to = conn.execute(_CAME_TO, {"letters": letters, "id": command_id}).fetchone()
            if len(events) != 1 or came_to != (_ENDS[action][0].value, _ENDS[action][1]):
                wrong.append(f"{command_id}: {' '.join(map(str, came_to or ()))} after {', '.join(events)}")
    seen = ", ".join(f"{count} {action}" for action, count in sorted(won.items()))
    recorder.criterion(
        "each command came to what the one who won says, by one event", not wrong and len(found) == fault.commands,
        "; ".join(wrong[:3]) or seen,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Start:
    """A start of ``runworker`` that cannot work. ``says``: a part of the line with which it has to refuse."""

    arguments: tuple[str, ...]
    says: str
    environment: Mapping[str, str] = field(default_factory=dict)


@injects(BadSettings)
def bad_settings(fault: BadSettings, bench: Bench, recorder: Recorder) -> None:
    """Start workers wrong, a few side by side; write settings into their row that cannot work."""
    recorder.begin()
    starts = list(_starts(bench))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        complaints = [said for said in pool.map(lambda start: _complaint(bench, start), starts) if said]
    with _queue_missing(bench) as domain:
        starts.append(_Start(arguments=(f"--domain={domain}",), says=command_queue(domain)))
        complaints += [said for said in [_complaint(bench, starts[-1])] if said]
    recorder.fire(f"{len(starts)} starts that cannot work")
    recorder.criterion(
        f"each refuses within {REFUSED_WITHIN_S} s, by one line that says why", not complaints,
        "; ".join(complaints[:3]) or f"{len(starts)} refuse",
    )  # fmt: skip
    tried = list(_impossible(bench))
    taken = [name for name, was_taken in tried if was_taken]
    recorder.criterion(
        "the settings row takes no value that cannot work", not taken,
        f"it took {', '.join(taken)}" if taken else f"{len(tried)} are refused",
    )  # fmt: skip


def _starts(bench: Bench) -> Iterator[_Start]:
    for name in ("concurrency", "batch_size", "visibility_timeout", "poll_interval"):
        option = f"--{name.replace('_', '-')}"
        yield _Start(arguments=(f"{option}=0",), says=option)
    yield _Start(arguments=(f"--concurrency={SETTINGS['concurrency'].maximum + 1}",), says="--concurrency")
    yield _Start(arguments=("--engine=steam",), says="--engine")
    yield _Start(arguments=("--domain=nowhere",), says="--domain")
    yield _Start(arguments=("--handlers=no.such.module",), says="--handlers no.such.module")
    yield _Start(arguments=("--around=bench.errors",), says="--around bench.errors")
    yield _Start(arguments=("--processes=0",), says="--processes")
    engines = {worker.of.engine for worker in bench.fleet.workers if worker.is_up}
    for engine in engines:
        other = Engine.LIBRARY if engine is Engine.NATIVE else Engine.NATIVE
        yield _Start(arguments=(f"--engine={other}",), says=f"engine {engine}")
    nowhere = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nowhere"}
    yield _Start(arguments=(), says="The database cannot be used", environment=nowhere)


def _complaint(bench: Bench, start: _Start) -> str:
    """What is wrong about how it refused; empty where nothing is."""
    environment = {**bench.database.environment(), **start.environment}
    program = Program(
        "worker", manage_command("runworker", "--no-sampler", *start.arguments), environment=environment,
        directory=settings.BASE_DIR, keeps_output=True,
    )  # fmt: skip
    program.start()
    in_time = program.ends_within(REFUSED_WITHIN_S)
    program.end()
    lines = program.output.splitlines()
    told = f"runworker {' '.join(start.arguments) or 'without a server'}"
    if not in_time:
        return f"{told} was not refused"
    if program.exit_code not in (Exit.FAILED, Exit.REFUSED):
        return f"{told} ended{program.ending()}"
    if len(lines) != 1 or start.says not in lines[0]:
        return f"{told} said {lines[-1][:200] if lines else 'nothing'} ({len(lines)} lines)"
    return ""


@contextmanager
def _queue_missing(bench: Bench) -> Iterator[str]:
    """A domain of the run's database whose queue is gone."""
    domain = "bench_bare"
    with bench.connection() as conn:
        conn.execute("INSERT INTO commandbus.domain (name) VALUES (%s)", [domain])
        conn.execute("SELECT pgmq.drop_queue(%s)", [command_queue(domain)])
        try:
            yield domain
        finally:
            conn.execute("DELETE FROM commandbus.domain WHERE name = %s", [domain])


def _impossible(bench: Bench) -> Iterator[tuple[str, bool]]:
    """Every setting below and above its bounds, and whether the row took it."""
    with bench.connection() as conn:
        for name, setting in SETTINGS.items():
            for value in (setting.minimum - 1, setting.maximum + 1):
                query = sql.SQL("UPDATE public.e2e_config SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
                try:
                    with conn.transaction(force_rollback=True):
                        conn.execute(query)
                except psycopg.DataError:
                    yield f"{name} {value}", False
                except psycopg.IntegrityError:
                    yield f"{name} {value}", False
                else:
                    yield f"{name} {value}", True
