"""Probes of what a worker does: the same steps for either engine, on a bed with a worker of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, LiteralString
from uuid import uuid4

from psycopg import sql

from bench.scorecard.bed import LEASE_S, MAX_ATTEMPTS
from bench.scorecard.findings import Shown
from commands.bus.bulk import NewCommand, send_chunk
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import COMMAND_TYPE, DOMAIN, Status, archive_table, command_queue, queue_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from bench.scorecard.bed import Bed

READS = 4  # so often a message that is no command is read: nothing keeps it from being read for ever
OVERRUN_MS = int(3.5 * 1000 * LEASE_S)  # longer than every delivery that a command may have
SHORT_MS, LONG_MS = int(1200 * LEASE_S), int(1500 * LEASE_S)  # longer than a lease, both; the second end comes later
_QUEUE = sql.Identifier("pgmq", queue_table(command_queue(DOMAIN)))
_ARCHIVE = sql.Identifier("pgmq", archive_table(command_queue(DOMAIN)))


def own_limit(bed: Bed) -> Shown:
    """D1: one command may have five attempts and one a single one; the worker's setting is three."""
    more, fewer = (bed.send(BehaviorType.FAIL_TRANSIENT, max_attempts=number) for number in (5, 1))
    bed.until(lambda: bed.is_final(more) and bed.is_final(fewer))
    had = [bed.word(command).count("R") for command in (more, fewer)]
    return Shown(
        is_there=had != [5, 1],
        evidence=f"max_attempts 5: {had[0]} attempts, `{bed.word(more)}`; 1: {had[1]}, `{bed.word(fewer)}`",
    )


def unlimited(bed: Bed) -> Shown:
    """D2: work that outlasts every lease that the command may have."""
    command = bed.send(BehaviorType.TIMEOUT, ms=OVERRUN_MS)
    _rest(bed, command, OVERRUN_MS)
    word = bed.word(command)
    return Shown(
        is_there=word.count("R") > MAX_ATTEMPTS,
        evidence=f"{word.count('R')} deliveries of {MAX_ATTEMPTS}, {bed.command(command)['status']}, `{word}`",
    )


def final_states(bed: Bed) -> Shown:
    """D3: the first of two attempts that overlap completes it, the second fails for good."""
    command = _overlapping(bed, {"type": "fail_permanent", "execution_time_ms": SHORT_MS})
    word, status = bed.word(command), bed.command(command)["status"]
    return Shown(is_there="C" in word and status != Status.COMPLETED, evidence=f"{status}, `{word}`")


def replies(bed: Bed) -> Shown:
    """D4: two attempts that overlap and succeed."""
    command = bed.send(BehaviorType.TIMEOUT, ms=LONG_MS)
    _rest(bed, command, LONG_MS)
    found = bed.replies(command)
    return Shown(
        is_there=len(found) > 1,
        evidence=f"{len(found)} {'replies' if len(found) != 1 else 'reply'}, `{bed.word(command)}`",
    )


def batches(bed: Bed) -> Shown:
    """D5: one of two rows that are received together cannot be changed."""
    with _refused(bed):
        with bed.conn.transaction():  # seen by the worker together
            pair = [NewCommand(behavior=Behavior(type=BehaviorType.SUCCESS)) for _ in range(2)]
            send_chunk(bed.conn, DOMAIN, pair, max_attempts=MAX_ATTEMPTS)
            good, bad = (command.command_id for command in pair)
            bed.conn.execute("UPDATE commandbus.command SET last_error_code = 'BAD' WHERE command_id = %s", [bad])
        came = bed.until(lambda: "C" in bed.word(good))
        word, attempts = bed.word(good), bed.command(good)["attempts"]
    bed.until(lambda: bed.is_final(bad))
    if not came:
        return Shown(is_there=None, evidence=f"the row beside it did not end: `{word}`")
    return Shown(is_there="R" not in word, evidence=f"the row beside it: `{word}`, attempts counted: {attempts}")


def malformed(bed: Bed) -> Shown:
    """D8: messages that are no command, and one of a command that is not there."""
    newest: LiteralString = "SELECT coalesce(max(audit_id), 0) FROM commandbus.audit"
    mark = bed.value(newest)
    bad = [bed.put({"command_id": "no-uuid"}), bed.put([1, 2])]
    unknown = bed.put({"domain": DOMAIN, "command_type": COMMAND_TYPE, "command_id": str(uuid4())})
    reads = sql.SQL("SELECT coalesce(min(read_ct), 0) FROM {} WHERE msg_id = ANY (%s)").format(_QUEUE)
    kept = sql.SQL("SELECT count(*) FROM {} WHERE msg_id = ANY (%s)").format(_ARCHIVE)
    told: LiteralString = (
        "SELECT count(*) FROM commandbus.audit WHERE event_type = 'MESSAGE_REJECTED' AND audit_id > %s"
    )
    bed.until(lambda: bed.value(reads, bad) >= READS or bed.value(kept, bad) == len(bad))
    again = int(bed.value(reads, bad))
    away, events = int(bed.value(kept, [*bad, unknown])), int(bed.value(told, mark))
    bed.conn.execute(sql.SQL("DELETE FROM {} WHERE msg_id = ANY (%s)").format(_QUEUE), [bad])
    return Shown(
        is_there=again >= READS or not events,
        evidence=f"read {again} times and still there, {away} of 3 archived, {events} events tell of them"
        if again
        else f"{away} of 3 archived at their first read, {events} events tell of them",
    )


def lost_connections(bed: Bed) -> Shown:
    """D9: the server ends all connections of the worker."""
    said = len(bed.program.output)
    ended = bed.end_connections()
    after = bed.send(BehaviorType.SUCCESS)
    resumed = bed.until(lambda: bed.is_final(after), 30)
    died = "library worker died" in bed.program.output[said:]
    how = "its supervisor started it again" if died else "it connected again by itself"
    goes_on = "the next command completed" if resumed else "the next command did not end in 30 s"
    return Shown(is_there=died or not resumed, evidence=f"{ended} connections ended: {how}; {goes_on}")


def late_failures(bed: Bed) -> Shown:
    """D13: the first of two attempts that overlap completes it, the second fails for a moment."""
    command = _overlapping(bed, {"type": "fail_transient", "execution_time_ms": SHORT_MS, "error_code": "LATE"})
    word, row = bed.word(command), bed.command(command)
    error = row["last_error_code"] or "no error"
    return Shown(is_there=word.endswith("F") or error == "LATE", evidence=f"{row['status']} with {error}, `{word}`")


def _overlapping(bed: Bed, second: dict[str, object]) -> UUID:
    """A command whose first attempt outlasts its lease and completes it, and whose second does something else."""
    command = bed.send(BehaviorType.TIMEOUT, ms=LONG_MS)
    bed.until(lambda: bed.word(command).count("R") == 1)
    bed.behave(command, second)
    _rest(bed, command, LONG_MS + SHORT_MS)
    return command


def _rest(bed: Bed, command: UUID, works_ms: int) -> None:
    """Until each of its attempts has had its end: as many ends as deliveries, late ones counted."""

    def ended() -> bool:
        word = bed.word(command)
        return "R" in word and sum(letter not in "SR" for letter in word) >= word.count("R")

    bed.until(ended, works_ms / 1000 + 10)


@contextmanager
def _refused(bed: Bed) -> Iterator[None]:
    """Meanwhile the server refuses to change a command with error code ``BAD``."""
    bed.conn.execute("""
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$
    """)
    bed.conn.execute("""
        CREATE TRIGGER refuse BEFORE UPDATE ON commandbus.command FOR EACH ROW
        WHEN (OLD.last_error_code = 'BAD') EXECUTE FUNCTION public.refuse()
    """)
    try:
        yield
    finally:
        bed.conn.execute("DROP TRIGGER refuse ON commandbus.command")
        bed.conn.execute("DROP FUNCTION public.refuse()")
