"""A capacity search among the runs of the site: its row, whole, once it has ended."""

from __future__ import annotations

import os
import socket

import psycopg
from psycopg.types.json import Jsonb

from bench.report.document import Document
from e2e_site.database import connection_params

_INSERT = """
    INSERT INTO public.bench_run (
        state, scenario, engines, seed, source, asked_by, asked_at, started_at, beat_at, ended_at, host, pid, phase,
        done, total, verdict, as_asked, why
    )
    VALUES ('ended', %(scenario)s, %(engines)s, 0, %(source)s, '', %(started)s, %(started)s, %(ended)s, %(ended)s,
            %(host)s, %(pid)s, 'ended', 0, 0, %(verdict)s, %(verdict)s = 'PASS', %(why)s)
    RETURNING run_id
"""
_DOCUMENT = "UPDATE public.bench_run SET document = %s WHERE run_id = %s"


def keep(document: Document) -> Document:
    """Store it in the site's database; the same document with the number of its run. Raises psycopg.Error."""
    head = document.head
    values = {
        "scenario": head.scenario,
        "engines": ",".join(head.engines),
        "source": Jsonb(document.scenario),
        "started": head.started_at,
        "ended": head.ended_at,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "verdict": head.verdict.value,
        "why": head.why,
    }
    with psycopg.connect(**connection_params(), autocommit=True) as conn, conn.transaction():
        row = conn.execute(_INSERT, values).fetchone()
        assert row is not None
        kept = document.model_copy(update={"head": head.model_copy(update={"run": row[0]})})
        conn.execute(_DOCUMENT, [Jsonb(kept.model_dump(mode="json")), row[0]])
    return kept
