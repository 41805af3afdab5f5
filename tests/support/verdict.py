"""What had to become of many commands, and every way in which something else did: set-based, over all of them at once.

What is expected comes from the sender's ledger, never from the bus's own tables.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from commands.rules.expectation import Expectation
from commands.rules.words import LETTERS
from tests.support.bus import Json

SHOWN = 5  # examples of each broken rule


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One command of the ledger. Not ``acknowledged``: it may be unknown to the bus, and then nothing else holds."""

    expected: Expectation
    acknowledged: bool = True


# What there is, in the tables' words: events, each command's word without late events, commands, replies.
_STORIES = """
DROP TABLE IF EXISTS ledger, event, story, known, reply;
CREATE TEMP TABLE ledger (
    command_id UUID PRIMARY KEY, statuses TEXT[], retries INTEGER, pattern TEXT, replies INT4RANGE, reply TEXT,
    acknowledged BOOLEAN);
CREATE TEMP TABLE event AS
SELECT command_id, audit_id, %(letters)s::jsonb ->> event_type AS letter, event_type,
       (details_json ->> 'msg_id')::bigint AS msg_id, (details_json ->> 'attempt')::int AS attempt,
       details_json ->> 'reason' AS reason
FROM commandbus.audit WHERE domain = 'test' AND event_type <> 'MESSAGE_REJECTED' AND command_id <> ALL (%(apart)s);
CREATE TEMP TABLE story AS
SELECT command_id,
       coalesce(string_agg(letter, '' ORDER BY audit_id) FILTER (WHERE letter NOT IN ('c', 'f')), '') AS word,
       count(*) FILTER (WHERE letter = 'R') AS received,
       count(DISTINCT attempt) FILTER (WHERE letter = 'R') AS distinct_attempts,
       max(attempt) FILTER (WHERE letter = 'R') AS last_attempt
FROM event GROUP BY command_id;
CREATE TEMP TABLE known AS
SELECT c.command_id, c.status, c.attempts, c.max_attempts, c.msg_id, t.attempts AS life, t.result, t.processed_at
FROM commandbus.command c LEFT JOIN public.test_command t USING (command_id)
WHERE c.domain = 'test' AND c.command_id <> ALL (%(apart)s);
CREATE TEMP TABLE reply AS
SELECT (message ->> 'command_id')::uuid AS command_id, count(*) AS n, max(message ->> 'outcome') AS outcome
FROM pgmq.q_test__replies WHERE (message ->> 'command_id')::uuid <> ALL (%(apart)s) GROUP BY 1
"""
_LEDGER = "COPY ledger FROM STDIN"

# First attempts begun after that moment and completed, by the server's clock.
_RESUMED = """
SELECT extract(epoch FROM min(c.ts) - %(ended_at)s)::float AS seconds FROM commandbus.audit r
JOIN commandbus.audit c ON c.command_id = r.command_id AND c.details_json ->> 'attempt' = r.details_json ->> 'attempt'
WHERE r.event_type = 'RECEIVED' AND r.ts > %(ended_at)s AND c.event_type = 'COMPLETED'
"""

RULES: dict[str, LiteralString] = {
    "what was acknowledged is there": """
        SELECT command_id, 'lost' FROM ledger LEFT JOIN known USING (command_id)
        WHERE acknowledged AND known.status IS NULL""",
    "what is there was sent": """
        SELECT command_id, known.status FROM known LEFT JOIN ledger USING (command_id) WHERE ledger.statuses IS NULL""",
    "each command ends as its behavior says": """
        SELECT command_id, concat(known.status, ' instead of ', ledger.statuses)
        FROM known JOIN ledger USING (command_id)
        WHERE known.status <> ALL (ledger.statuses)""",
    "the events of a command make a word that is allowed": """
        SELECT command_id, s.word FROM story s WHERE s.word !~ '^S[RF]*R[RF]*[BCT]$'""",
    "one final event, which agrees with the status": """
        SELECT command_id, known.status || ' after ' || s.word FROM known JOIN story s USING (command_id)
        WHERE (known.status = 'COMPLETED') <> (s.word LIKE '%C') OR (known.status LIKE 'IN_TR%') <> (s.word LIKE '%T')
           OR (known.status = 'FAILED') <> (s.word LIKE '%B') OR length(translate(s.word, 'SRF', '')) <> 1""",
    "no failure but those of its behavior": """
        SELECT command_id, s.word || ' with ' || ledger.retries || ' failures expected'
        FROM story s JOIN ledger USING (command_id)
        WHERE length(s.word) - length(replace(s.word, 'F', '')) > ledger.retries""",
    "attempts are those received, 1 to n, at most max_attempts": """
        SELECT command_id, concat_ws(' ', s.word, known.attempts, known.life, s.distinct_attempts, s.last_attempt)
        FROM known JOIN story s USING (command_id)
        WHERE known.attempts > known.max_attempts OR known.attempts <> s.received OR known.life <> s.received
           OR s.distinct_attempts <> s.received OR s.last_attempt <> s.received""",
    "an attempt ends once, late ends included, and began before": """
        SELECT command_id, 'attempt ' || attempt || ': ' || string_agg(letter, '' ORDER BY audit_id)
        FROM event WHERE letter <> 'S' AND reason IS DISTINCT FROM 'LEASE_EXPIRED'
        GROUP BY command_id, msg_id, attempt
        HAVING string_agg(letter, '' ORDER BY audit_id) !~ '^R[FBCTcf]?$'""",
    "one reply for each that completed and asked for one": """
        SELECT command_id, coalesce(n, 0) || ' replies ' || coalesce(outcome, '')
        FROM (SELECT command_id, replies, ledger.reply FROM ledger JOIN known USING (command_id)) l
        FULL JOIN reply USING (command_id)
        WHERE NOT coalesce(replies, '[0,0]') @> coalesce(n, 0)::int OR outcome <> l.reply""",
    "a result for each that completed": """
        SELECT command_id, concat_ws(' ', status, result) FROM known
        WHERE (status = 'COMPLETED') <> (result IS NOT NULL) OR (status = 'COMPLETED') <> (processed_at IS NOT NULL)""",
    "what is parked can be tried again": """
        SELECT command_id, 'message ' || known.msg_id FROM known LEFT JOIN pgmq.a_test__commands a USING (msg_id)
        WHERE status = 'IN_TROUBLESHOOTING_QUEUE' AND a.msg_id IS NULL""",
    "the troubleshooting queue holds what is parked": """
        SELECT command_id, status FROM known LEFT JOIN commandbus.parked p USING (command_id)
        WHERE (status = 'IN_TROUBLESHOOTING_QUEUE') <> (p.command_id IS NOT NULL)""",
    "the queue is empty": """
        SELECT NULL, 'message ' || msg_id FROM pgmq.q_test__commands""",
}

# Where no attempt was lost, each word is known before.
EXACT: dict[str, LiteralString] = {
    "every attempt ended, and counted": """
        SELECT command_id, s.word || ' instead of ' || ledger.pattern FROM story s JOIN ledger USING (command_id)
        WHERE s.word !~ ('^(' || ledger.pattern || ')$')""",
    "nothing ended late": """
        SELECT command_id, event_type FROM event WHERE letter IN ('c', 'f')""",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """``broken``: each broken rule with its first examples. ``redelivered``: commands of which an attempt had no end
    when the next began. ``late``: ends that came too late to count. ``rejected``: messages that are no command."""

    broken: list[str]
    redelivered: int
    late: int
    rejected: int


def judge(
    conn: psycopg.Connection[Json],
    ledger: Mapping[UUID, Sent],
    *,
    apart: Collection[UUID] = (),
    exact: bool = False,
) -> Verdict:
    """Compare everything in domain ``test`` with the ledger; commands in ``apart`` are left out.

    With ``exact`` no attempt may have been lost. Call it when workers have stopped.
    """
    for statement in _STORIES.split(";"):
        conn.execute(statement, {"letters": json.dumps(LETTERS), "apart": list(apart)})
    with conn.cursor().copy(_LEDGER) as copy:
        for command_id in ledger.keys() - set(apart):
            copy.write_row(_ledger_row(command_id, ledger[command_id]))
    conn.execute("ANALYZE ledger, event, story, known, reply")
    broken = []
    for rule, query in (RULES | (EXACT if exact else {})).items():
        found = conn.execute(f"SELECT count(*) OVER () AS n, b.* FROM ({query}) b (command_id, detail) LIMIT {SHOWN}")
        if rows := found.fetchall():
            examples = ", ".join(f"{row['command_id']}: {row['detail']}" for row in rows)
            broken.append(f"NOT: {rule}: {rows[0]['n']} times, {examples}")
    return Verdict(
        broken=broken,
        redelivered=_count(conn, "SELECT count(*) AS n FROM story WHERE word LIKE '%RR%'"),
        late=_count(conn, "SELECT count(*) AS n FROM event WHERE letter IN ('c', 'f')"),
        rejected=_count(conn, "SELECT count(*) AS n FROM commandbus.audit WHERE event_type = 'MESSAGE_REJECTED'"),
    )


def resumed_after(conn: psycopg.Connection[Json], ended_at: datetime) -> float | None:
    """Seconds from that moment to the first completion of an attempt that began after it, by the server's clock."""
    row = conn.execute(_RESUMED, {"ended_at": ended_at}).fetchone()
    return None if row is None else row["seconds"]


def _ledger_row(command_id: UUID, sent: Sent) -> tuple[Any, ...]:
    """Its row of the table ``ledger``."""
    expected = sent.expected
    replies = f"[{expected.replies.least},{expected.replies.most}]"
    statuses = [status.value for status in expected.statuses]
    return (
        command_id, statuses, expected.retries.most, expected.pattern, replies, expected.reply, sent.acknowledged,
    )  # fmt: skip


def _count(conn: psycopg.Connection[Json], query: LiteralString) -> int:
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(row["n"])
