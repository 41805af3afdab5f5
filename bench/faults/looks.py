"""What faults and their judges look at in the run's database, all by the server's clock.

audit ──────► what a process held, how fast commands ended, how long they waited
the ledger ─► what handlers did (once it is loaded)
"""

from __future__ import annotations

import socket
from datetime import datetime
from typing import TYPE_CHECKING, Any

from commands.rules.words import DOMAIN, LATE, EventType, command_queue, queue_table

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    import psycopg

    Connection = psycopg.Connection[Any]

_QUEUE = queue_table(command_queue(DOMAIN))
ENDS = [EventType.COMPLETED, EventType.MOVED_TO_TSQ, EventType.BUSINESS_RULE_FAILED]  # of commands
IN_TIME = [*ENDS, EventType.FAILED]  # of attempts
_ATTEMPT_ENDS = [*IN_TIME, *LATE]
LEAST_FOR_P99 = 100

# Attempts that have begun and not ended. The library's worker does not say who began one: then it is anyone's.
_OPEN = f"""
    SELECT count(*) FROM pgmq.{_QUEUE} q
    JOIN commandbus.command c ON c.domain = %(domain)s AND c.command_id = commandbus.command_id_of(q.message)
    CROSS JOIN LATERAL (
        SELECT event_type, details_json ->> 'worker' AS worker FROM commandbus.audit a
        WHERE a.command_id = c.command_id ORDER BY audit_id DESC LIMIT 1) last
    WHERE q.vt > clock_timestamp() AND c.status = 'IN_PROGRESS' AND last.event_type = 'RECEIVED'
      AND coalesce(last.worker = %(worker)s, TRUE)
"""  # noqa: S608

# Attempts of one process that had not ended at a moment, and the next beginning of their commands, or the end where
# there is none to come. By the audit trail where that names the worker, and by the handlers' ledger.
_HELD = """
    WITH begun AS (
        SELECT audit_id, command_id, details_json ->> 'msg_id' AS msg_id, details_json ->> 'attempt' AS attempt
        FROM commandbus.audit
        WHERE domain = %(domain)s AND event_type = 'RECEIVED' AND details_json ->> 'worker' = %(worker)s
          AND ts <= %(moment)s
    ), held AS (
        SELECT audit_id, command_id FROM begun WHERE NOT EXISTS (
            SELECT FROM commandbus.audit e
            WHERE e.command_id = begun.command_id AND e.audit_id > begun.audit_id AND e.event_type = ANY (%(ends)s)
              AND e.details_json ->> 'msg_id' = begun.msg_id AND e.details_json ->> 'attempt' = begun.attempt
              AND e.details_json ->> 'reason' IS DISTINCT FROM 'LEASE_EXPIRED' AND e.ts <= %(moment)s)
        UNION
        SELECT (SELECT max(audit_id) FROM commandbus.audit a
                WHERE a.command_id = x.command_id AND event_type = 'RECEIVED' AND ts <= x.began_at + interval '50 ms'),
               command_id
        FROM public.bench_execution x
        WHERE worker = %(process)s AND began_at <= %(moment)s AND (ended_at IS NULL OR ended_at > %(moment)s)
    )
    SELECT held.command_id, (
        SELECT extract(epoch FROM min(ts) - %(since)s)::float8 FROM commandbus.audit n
        WHERE n.command_id = held.command_id AND n.audit_id > held.audit_id
          AND (event_type = 'RECEIVED' OR details_json ->> 'reason' = 'LEASE_EXPIRED')) AS after_s
    FROM held
"""

_RATE = """
    SELECT count(*) / greatest(extract(epoch FROM %(until)s - %(since)s)::float8, 0.001) FROM commandbus.audit
    WHERE domain = %(domain)s AND event_type = ANY (%(ends)s) AND ts >= %(since)s AND ts < %(until)s
"""

# From SENT to the first event of some kinds, of the commands sent then. What never came is later than anything.
_WAITED = """
    SELECT count(*), percentile_disc(0.99) WITHIN GROUP (ORDER BY coalesce(waited, 1e9)) FROM (
        SELECT (SELECT extract(epoch FROM min(e.ts) - s.ts)::float8 FROM commandbus.audit e
                WHERE e.command_id = s.command_id AND e.event_type = ANY (%(events)s)) AS waited
        FROM commandbus.audit s
        WHERE s.domain = %(domain)s AND s.event_type = 'SENT' AND s.ts BETWEEN %(since)s AND %(until)s
          AND s.command_id <> ALL (%(apart)s)) w
"""

# Attempts begun after that moment that ended so.
_RESUMED = """
    SELECT extract(epoch FROM min(e.ts) - %(since)s)::float8 FROM commandbus.audit r
    JOIN commandbus.audit e ON e.command_id = r.command_id AND e.event_type = ANY (%(ends)s)
        AND e.details_json ->> 'attempt' = r.details_json ->> 'attempt'
    WHERE r.domain = %(domain)s AND r.event_type = 'RECEIVED' AND r.ts > %(since)s
"""


def server_now(conn: Connection) -> datetime:
    """The server's clock."""
    moment: datetime = value(conn, "SELECT clock_timestamp()")
    return moment


def value(conn: Connection, query: str, parameters: Any = None) -> Any:
    """The first column of the only row."""
    row = conn.execute(query.encode(), parameters).fetchone()
    return row[0] if row else None


def worker_id(conn: Connection, pid: int) -> UUID | None:
    """By which the audit trail names a process; None before it works."""
    query = "SELECT worker_id FROM public.e2e_worker WHERE host = %s AND pid = %s ORDER BY started_at DESC LIMIT 1"
    found: UUID | None = value(conn, query, [socket.gethostname(), pid])
    return found


def open_attempts(conn: Connection, worker: UUID | None) -> int:
    """How many attempts this worker has begun and not ended."""
    return int(value(conn, _OPEN, {"domain": DOMAIN, "worker": str(worker)}))


def held(
    conn: Connection, worker: UUID | None, process: str, *, since: datetime, moment: datetime | None = None
) -> list[tuple[UUID, float | None]]:
    """The commands of which a process had an attempt open at a moment (None: to the end), and how many seconds after
    ``since`` each began again or was parked for it; None: it never did. The ledgers are loaded."""
    parameters = {
        "domain": DOMAIN, "worker": str(worker), "process": process, "since": since,
        "moment": moment or datetime.max.replace(tzinfo=since.tzinfo), "ends": _ATTEMPT_ENDS,
    }  # fmt: skip
    return [(row[0], row[1]) for row in conn.execute(_HELD, parameters).fetchall()]


def rate(conn: Connection, since: datetime, until: datetime) -> float:
    """How many commands per second became final between two moments."""
    return float(value(conn, _RATE, {"domain": DOMAIN, "ends": ENDS, "since": since, "until": until}))


def p99_s(
    conn: Connection, events: Collection[EventType], since: datetime, until: datetime, *, apart: Collection[UUID] = ()
) -> tuple[int, float | None]:
    """Of how many commands sent between two moments, and how long 99 % of them waited at most for such an event.

    None with fewer than `LEAST_FOR_P99` of them.
    """
    parameters = {"domain": DOMAIN, "events": list(events), "since": since, "until": until, "apart": list(apart)}
    count, seconds = conn.execute(_WAITED, parameters).fetchone() or (0, None)
    return count, seconds if count >= LEAST_FOR_P99 else None


def resumed_after(conn: Connection, since: datetime, ends: Collection[EventType]) -> float | None:
    """Seconds from a moment to the first such end of an attempt that began after it; None: there was none."""
    found: float | None = value(conn, _RESUMED, {"domain": DOMAIN, "since": since, "ends": list(ends)})
    return found


def executions_of(conn: Connection, ids: Collection[UUID]) -> int:
    """How often handlers were called for these commands, by their ledger."""
    query = "SELECT count(*) FROM public.bench_execution WHERE command_id = ANY (%s)"
    return int(value(conn, query, [list(ids)]))


def codes_of(conn: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[str, str, int]]:
    """Status, error code and attempts of each of these commands that is there."""
    query = """
        SELECT command_id, status, coalesce(last_error_code, ''), attempts FROM commandbus.command
        WHERE domain = %s AND command_id = ANY (%s)
    """
    rows = conn.execute(query, [DOMAIN, list(ids)]).fetchall()
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def are_final(conn: Connection, ids: Collection[UUID]) -> bool:
    """Whether no attempt of any of them is to come."""
    query = """
        SELECT count(*) FROM commandbus.command
        WHERE domain = %s AND command_id = ANY (%s) AND status NOT IN ('PENDING', 'IN_PROGRESS')
    """
    return bool(value(conn, query, [DOMAIN, list(ids)]) == len(ids))
