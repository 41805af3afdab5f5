"""Faults of senders: the same command from many (F16), a message that is there twice (F17), a wrong clock (F19)."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any
from uuid import UUID

from bench.faults.bench import FaultError
from bench.faults.inject import injects, judges
from bench.ledgers.sends import Told, Trying
from bench.scenarios.faults import DuplicateMessages, DuplicateSends, SenderClock
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.expectation import expectation
from commands.rules.words import DOMAIN, archive_table, command_queue, queue_table

if TYPE_CHECKING:
    import psycopg

    from bench.faults.bench import Bench, Recorder

SENT_WITHIN_S = 20
_CLOCKED = 20  # commands whose ids tell the sender's time
_EARLY_S = 5  # by which a moment may be before the beginning: when workers were started
_SUCCESS = Behavior(type=BehaviorType.SUCCESS)
_QUEUE = f"pgmq.{queue_table(command_queue(DOMAIN))}"
_ARCHIVE = f"pgmq.{archive_table(command_queue(DOMAIN))}"
# What there is of commands of one kind of the ledger: rows, first events, messages that attempts were made of.
_ONCE = """
    SELECT count(*) AS commands, coalesce(sum(c.rows), 0) AS rows, coalesce(sum(a.sent), 0) AS sent,
           coalesce(sum(e.messages), 0) AS messages, coalesce(sum(e.executions), 0) AS executions
    FROM (SELECT DISTINCT command_id FROM public.bench_send WHERE kind = %(kind)s) s
    CROSS JOIN LATERAL (SELECT count(*) AS rows FROM commandbus.command WHERE command_id = s.command_id) c
    CROSS JOIN LATERAL (SELECT count(*) AS sent FROM commandbus.audit
                        WHERE command_id = s.command_id AND event_type = 'SENT') a
    CROSS JOIN LATERAL (SELECT count(DISTINCT msg_id) AS messages, count(*) AS executions FROM public.bench_execution
                        WHERE command_id = s.command_id) e
"""
# A second message of the same content, later by so much, as a copy of rows makes it.
_COPY = f"""
    INSERT INTO {_QUEUE} (vt, message) SELECT clock_timestamp() + make_interval(secs => %s), message FROM {_QUEUE}
    WHERE message ->> 'command_id' = %s RETURNING msg_id
"""  # noqa: S608
_COPIES = f"""
    SELECT count(*) FROM {_ARCHIVE} a JOIN public.bench_send s ON a.message ->> 'command_id' = s.command_id::text
    WHERE s.kind = %s
"""  # noqa: S608
_SHIFTED = """
    SELECT count(*) FROM public.test_command
    WHERE abs(coalesce((payload ->> 'sender_clock')::float8, 0) - extract(epoch FROM clock_timestamp())) > %s
"""
# Moments that the bus stored and that are not between the beginning of the run and now, by the server's clock.
_FOREIGN_TIMES = f"""
    WITH run AS (SELECT clock_timestamp() - make_interval(secs => %(ago)s) AS began)
    SELECT (SELECT count(*) FROM commandbus.audit, run WHERE ts NOT BETWEEN began AND clock_timestamp())
         + (SELECT count(*) FROM commandbus.command, run
            WHERE created_at NOT BETWEEN began AND clock_timestamp()
               OR updated_at NOT BETWEEN began AND clock_timestamp())
         + (SELECT count(*) FROM {_ARCHIVE}, run WHERE enqueued_at NOT BETWEEN began AND clock_timestamp()),
           (SELECT count(*) FROM commandbus.audit)
"""  # noqa: S608


@injects(DuplicateSends)
def duplicate_sends(fault: DuplicateSends, bench: Bench, recorder: Recorder) -> None:
    """All senders wait for each other before each command; each has a connection of its own."""
    expect_success(bench, fault.do)
    barrier = Barrier(fault.senders, timeout=SENT_WITHIN_S)
    ids = new_ids(bench, fault.do, fault.commands)

    def send_all() -> list[Told]:
        with bench.connection(application_name="bench send") as conn:
            return [_sent_at_once(bench, conn, command_id, fault.do, barrier) for command_id in ids]

    recorder.begin()
    with ThreadPoolExecutor(fault.senders) as pool:
        senders = [pool.submit(send_all) for _ in range(fault.senders)]
        told = list(zip(*(sender.result() for sender in senders), strict=True))
    recorder.fire(f"{fault.commands} commands were sent by {fault.senders} at the same moment each")
    recorder.end()
    as_it_should = [Counter(answers) == {Told.ACKNOWLEDGED: 1, Told.DUPLICATE: fault.senders - 1} for answers in told]
    seen = Counter(answer.value for answers in told for answer in answers)
    recorder.criterion(
        "of those who send one command at the same moment one is told yes, the others that it is there",
        all(as_it_should), ", ".join(f"{count} {word}" for word, count in sorted(seen.items())),
    )  # fmt: skip


def _sent_at_once(
    bench: Bench, conn: psycopg.Connection[Any], command_id: UUID, kind: str, barrier: Barrier
) -> Told:  # fmt: skip
    barrier.wait()
    return send_one(bench, conn, command_id, kind)


@judges(DuplicateSends)
def judge_duplicate_sends(fault: DuplicateSends, bench: Bench, recorder: Recorder) -> None:
    with bench.connection() as conn:
        row = conn.execute(_ONCE, {"kind": fault.do}).fetchone()
    assert row is not None
    commands, rows, sent, messages, _ = map(int, row)
    recorder.criterion(
        "each is there once: one row, one event SENT, one message", commands == rows == sent == messages,
        f"{commands} commands: {rows} rows, {sent} events, {messages} messages",
    )  # fmt: skip


@injects(DuplicateMessages)
def duplicate_messages(fault: DuplicateMessages, bench: Bench, recorder: Recorder) -> None:
    """Each message gets its copy in the transaction that sends it: every other one at once, the others a bit later."""
    expect_success(bench, fault.do)
    copied = 0
    recorder.begin()
    with bench.connection() as conn:
        for number, command_id in enumerate(new_ids(bench, fault.do, fault.count)):
            later_s = number % 2 * 0.5

            def send(command_id: UUID = command_id, later_s: float = later_s) -> None:
                nonlocal copied
                with conn.transaction():
                    send_chunk(conn, DOMAIN, [new(command_id)], max_attempts=_max_attempts(bench))
                    copied += len(conn.execute(_COPY, [later_s, str(command_id)]).fetchall())

            bench.send_recorded([trying(command_id, fault.do)], send)
    if copied != fault.count:
        raise FaultError(f"{copied} of {fault.count} messages were copied")
    recorder.fire(f"{copied} messages are there twice")


@judges(DuplicateMessages)
def judge_duplicate_messages(fault: DuplicateMessages, bench: Bench, recorder: Recorder) -> None:
    with bench.connection() as conn:
        row = conn.execute(_ONCE, {"kind": fault.do}).fetchone()
        archived = conn.execute(_COPIES, [fault.do]).fetchone()
    assert row is not None
    commands, _, _, messages, executions = map(int, row)
    recorder.criterion(
        "each is performed once, by one of its messages", commands == messages == executions,
        f"{commands} commands: {executions} executions of {messages} messages",
    )  # fmt: skip
    copies = archived[0] if archived else 0
    recorder.criterion("each copy is archived unperformed", copies == fault.count, f"{copies} of {fault.count}")


@injects(SenderClock)
def sender_clock(fault: SenderClock, bench: Bench, recorder: Recorder) -> None:
    """Payloads tell the wrong time, and so do the ids of some more commands (UUID version 7)."""
    expect_success(bench, fault.do)
    shift_s = fault.hours * 3600
    bench.wait_until(lambda: bench.sender is not None, SENT_WITHIN_S, "a sender")
    assert bench.sender is not None
    recorder.begin()
    bench.sender.shift_s = shift_s
    with bench.connection() as conn:
        for command_id in _timed_ids(bench, shift_s):
            send_one(bench, conn, command_id, fault.do)
        bench.wait_until(lambda: _told_wrong(conn, shift_s), SENT_WITHIN_S, "a payload with a wrong time")
    recorder.fire(f"the sender's clock is wrong by {fault.hours:g} h")
    bench.wait(max(0.0, bench.plan.scenario.lasts_s - bench.now_s))


def _told_wrong(conn: psycopg.Connection[Any], shift_s: float) -> bool:
    row = conn.execute(_SHIFTED, [abs(shift_s) * 0.9]).fetchone()
    return row is not None and row[0] > _CLOCKED  # those without a time are as wrong as can be


def _timed_ids(bench: Bench, shift_s: float) -> list[UUID]:
    """As a sender makes them whose clock is wrong: the milliseconds, then what the seed says."""
    random, milliseconds = bench.random("sender clock"), round((time.time() + shift_s) * 1000)
    return [
        UUID(int=(milliseconds + n) << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62))
        for n in range(_CLOCKED)
    ]


@judges(SenderClock)
def judge_sender_clock(fault: SenderClock, bench: Bench, recorder: Recorder) -> None:
    with bench.connection() as conn:
        row = conn.execute(_FOREIGN_TIMES, {"ago": bench.now_s + _EARLY_S}).fetchone()
    foreign, events = row or (0, 0)
    recorder.criterion(
        "no moment that the bus stored is by the sender's clock", foreign == 0, f"{foreign} of {events} events"
    )


def expect_success(bench: Bench, kind: str) -> None:
    """Commands of this kind succeed at once, and reply."""
    bench.expected[kind] = expectation(bench.plan.circumstances(_SUCCESS, reply=True))


def new_ids(bench: Bench, what: str, count: int) -> list[UUID]:
    """Ids of commands that a fault sends, as the seed says."""
    random = bench.random(what)
    return [UUID(int=random.getrandbits(128), version=4) for _ in range(count)]


def new(command_id: UUID, behavior: Behavior = _SUCCESS) -> NewCommand:
    return NewCommand(behavior=behavior, command_id=command_id)


def trying(command_id: UUID, kind: str) -> Trying:
    """It is due now."""
    return Trying(command_id=command_id, kind=kind, intended=time.time())


def send_one(
    bench: Bench, conn: psycopg.Connection[Any], command_id: UUID, kind: str, behavior: Behavior = _SUCCESS
) -> Told:
    """Send one command by way of the ledger; what its sender was told."""

    def send() -> None:
        send_chunk(conn, DOMAIN, [new(command_id, behavior)], max_attempts=_max_attempts(bench))

    return bench.send_recorded([trying(command_id, kind)], send)


def _max_attempts(bench: Bench) -> int:
    return bench.plan.scenario.bus.max_attempts
