"""How long commands of a run took, from the moments at which they were due: exact, set-based, in the run's database.

`gather` puts one row for each command into a table of the session, ``pg_temp.bench_told``, in seconds after sending
began; the rest are queries of it. So a run of a million commands needs no memory here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf
from typing import TYPE_CHECKING, Any, Literal, LiteralString

from psycopg import sql
from psycopg.rows import tuple_row

from bench.report.document import Latency
from commands.rules.words import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from bench.oracle.facts import Facts

WORK_MEM = "64MB"  # of the server's process, for each sort: a million values fit
BEYOND = 10  # a percentile with fewer values beyond it is not told
NAMED = (0.5, 0.9, 0.99, 0.999)
SPECTRUM = tuple(round(1 - 10 ** (-5 * number / 39), 9) for number in range(40))  # evenly on an axis of log 1/(1-q)
Name = Literal["pickup", "service", "end_to_end", "send_delay"]

_TABLE: LiteralString = """
    CREATE TEMP TABLE bench_told (
        command_id uuid, intended float8, sent float8, received float8, ended float8, attempts int, of_plan bool,
        taken bool
    )
"""
# Of a command that was sent several times the first moments count.
_GATHER: LiteralString = """
    WITH tried AS (
        SELECT command_id, min(intended_at) AS intended, min(sent_at) AS sent,
               bool_and(kind = ANY (%(kinds)s)) AS of_plan, bool_or(outcome = 'acknowledged') AS acknowledged
        FROM public.bench_send WHERE run_id = %(run)s GROUP BY command_id
    ), went AS (
        SELECT command_id, min(ts) FILTER (WHERE event_type = 'RECEIVED') AS received,
               min(ts) FILTER (WHERE event_type IN ('COMPLETED', 'BUSINESS_RULE_FAILED', 'MOVED_TO_TSQ')) AS ended,
               count(*) FILTER (WHERE event_type = 'RECEIVED') AS attempts
        FROM commandbus.audit
        WHERE domain = %(domain)s AND command_id IN (SELECT command_id FROM tried)
        GROUP BY command_id
    )
    INSERT INTO pg_temp.bench_told
    SELECT t.command_id, extract(epoch FROM t.intended - %(began)s), extract(epoch FROM t.sent - %(began)s),
           extract(epoch FROM w.received - %(began)s), extract(epoch FROM w.ended - %(began)s), coalesce(w.attempts, 0),
           t.of_plan AND t.command_id <> ALL (%(apart)s::uuid[]), t.acknowledged OR w.command_id IS NOT NULL
    FROM tried t LEFT JOIN went w USING (command_id)
"""
_OF: dict[Name, LiteralString] = {
    "pickup": "SELECT (received - intended) * 1000 AS ms FROM pg_temp.bench_told WHERE of_plan AND taken",
    "service": "SELECT (ended - received) * 1000 AS ms FROM pg_temp.bench_told WHERE of_plan AND taken",
    "end_to_end": "SELECT (ended - intended) * 1000 AS ms FROM pg_temp.bench_told WHERE of_plan AND taken",
    "send_delay": "SELECT (sent - intended) * 1000 AS ms FROM pg_temp.bench_told WHERE of_plan",
}
_LATE: LiteralString = """
    SELECT count(*), count(*) FILTER (WHERE coalesce(ended - intended, 'Infinity') > %(most)s),
           1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY coalesce(ended - intended, 'Infinity'))
    FROM pg_temp.bench_told WHERE of_plan AND taken AND intended >= %(since)s AND intended < %(until)s
"""


@dataclass(frozen=True, kw_only=True)
class Late:
    """Of ``n`` commands ``over`` took longer than they may; ``p99`` milliseconds, None where it cannot be told."""

    n: int
    over: int
    p99: float | None

    @property
    def held(self) -> bool | None:
        """Whether at most one of a hundred did; None where so few commands do not tell."""
        if not self.n:
            return None
        if enough(self.n, 0.99) or not self.over:
            return self.over <= 0.01 * self.n
        return False if self.over >= BEYOND else None


def enough(n: int, share: float, beyond: int = BEYOND) -> bool:
    """Whether a percentile of so many values may be told."""
    return n * (1 - share) >= beyond - 1e-6  # 1 - 0.99 is a little more than 0.01


def gather(conn: psycopg.Connection[Any], facts: Facts) -> None:
    """Make the table of the session; what an earlier call made is replaced. The session keeps more memory to sort."""
    conn.execute("SELECT set_config('work_mem', %s, false)", [WORK_MEM])
    conn.execute("DROP TABLE IF EXISTS pg_temp.bench_told")
    conn.execute(_TABLE)
    conn.execute(
        _GATHER,
        {
            "run": facts.run_id,
            "domain": DOMAIN,
            "began": facts.began_at,
            "kinds": list(facts.plan.kinds),
            "apart": list(facts.apart),
        },
    )
    conn.execute("ANALYZE pg_temp.bench_told")


def latencies(conn: psycopg.Connection[Any]) -> list[Latency]:
    """Pickup, service, end to end and the sender's own delay, of the commands of the plan that came to an end."""
    return [_latency(conn, name, values) for name, values in _OF.items()]


def late(conn: psycopg.Connection[Any], *, most_s: float, since_s: float, until_s: float) -> Late:
    """Of the commands that were due in these seconds; one that has not ended took longer than any limit."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_LATE, {"most": most_s, "since": since_s, "until": until_s}).fetchone()
    assert row is not None
    n, over, p99 = row
    told = p99 is not None and enough(n, 0.99) and not isinf(p99)
    return Late(n=n, over=over, p99=round(p99, 3) if told else None)


def _latency(conn: psycopg.Connection[Any], name: Name, values: LiteralString) -> Latency:
    shares = [*NAMED, *SPECTRUM]
    query = sql.SQL("""
        SELECT count(ms), max(ms), percentile_cont(%s::float8[]) WITHIN GROUP (ORDER BY ms) FROM ({}) AS v
    """).format(sql.SQL(values))
    with conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(query, [shares]).fetchone()
    assert row is not None
    n, most, found = row
    told = _told(n, shares, found or [None] * len(shares))
    p50, p90, p99, p999 = told[: len(NAMED)]
    spectrum = [(q, ms) for q, ms in zip(SPECTRUM, told[len(NAMED) :], strict=True) if ms is not None]
    return Latency(
        name=name, n=n, p50=p50, p90=p90, p99=p99, p999=p999, most=None if most is None else round(most, 3),
        spectrum=spectrum,
    )  # fmt: skip


def _told(n: int, shares: Sequence[float], found: Sequence[float | None]) -> list[float | None]:
    """Each percentile, None where too few values lie beyond it."""
    return [
        round(value, 3) if value is not None and enough(n, share) else None
        for share, value in zip(shares, found, strict=True)
    ]
