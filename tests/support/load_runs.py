"""Runs of load tests as rows, for tests of what shows them: composed as a real run composes its own."""

import json
from typing import Any

import psycopg

from bench.loadtest import summary
from bench.loadtest.options import Options, Plan
from bench.management.commands.loadtest import Command
from commands.rules.behaviors import BehaviorType
from settings_app.values import WorkerSettings

Json = dict[str, Any]

SETTINGS = WorkerSettings.from_row(
    {
        "visibility_timeout": 30,
        "concurrency": 4,
        "poll_interval": 1,
        "batch_size": 10,
        "max_attempts": 3,
        "base_delay_ms": 1000,
        "max_delay_ms": 60_000,
        "backoff_multiplier": 2,
        "heartbeat": False,
        "paused": False,
        "version": 1,
    }
)
MIXED = {"commands": "1000", "mix": "success=90,fail_permanent=10", "seed": "7"}
LATENCY = {"n": 1000, "p50": 12.5, "p95": 80.25, "p99": 1500.0, "max": 2100.5}


def plan(**texts: str) -> Plan:
    """What the options of a command line come to with the default settings."""
    words = [f"--{name.replace('_', '-')}={text}" for name, text in {**MIXED, **texts}.items()]
    return Plan(options=options(*words), settings=SETTINGS)


def options(*words: str) -> Options:
    """What ``manage.py loadtest`` takes these words for."""
    return Options.of(vars(Command().create_parser("manage.py", "loadtest").parse_args(words)))


def document(made: Plan, *, outcomes: list[list[Any]] | None = None, latency: Json | None = None) -> Json:
    """A summary; unless said, of a run in which 900 succeeded and 100 were parked, as they had to."""
    return summary.compose(
        options=made.to_json(),
        each=made.each,
        ledger=summary.Ledger(
            sent=1000, seconds=0.5, taken={BehaviorType.SUCCESS: 900, BehaviorType.FAIL_PERMANENT: 100}
        ),
        measured={
            "outcomes": outcomes
            or [
                ["success", "COMPLETED", False, 1, 900],
                ["fail_permanent", "IN_TROUBLESHOOTING_QUEUE", False, 1, 100],
            ],
            "times": {"ended": 1000, "late": 0, "processing_s": 2, "middle_s": 1.6},
            "latency": latency or {"pickup": LATENCY, "end_to_end": LATENCY},
        },
        costs=({"wal_bytes": 1000, "transactions": 10}, {"wal_bytes": 2_001_000, "transactions": 60}),
    )


def add_run(conn: psycopg.Connection[Any], *, samples: int = 0, **columns: Any) -> int:
    """Insert a run, ended as expected unless columns say otherwise, with so many samples a second apart; its number."""
    made = plan()
    row: Json = {
        "state": "finished",
        "phase": "measuring",
        "host": "alpha",
        "pid": 4242,
        "options": json.dumps(made.to_json()),
        "commands": 1000,
        "as_expected": True,
        "verdict": "Every command ended as its behavior says.",
        "summary": json.dumps({**document(made), "workers": [{"pid": 11, "exit_code": 0, "said": []}]}),
        "sent": 1000,
        "received": 1000,
        "completed": 900,
        "parked": 100,
        **columns,
    }
    if row["state"] == "running":
        row |= {"as_expected": None, "verdict": "", "summary": None} | columns
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    ended = "NULL" if row["state"] == "running" else "clock_timestamp()"
    found = conn.execute(
        f"INSERT INTO load_run ({names}, ended_at) VALUES ({values}, {ended}) RETURNING run_id".encode(), row
    ).fetchone()
    run_id = int(found["run_id"] if isinstance(found, dict) else found[0]) if found else 0
    conn.execute(
        """
        INSERT INTO load_sample
        SELECT %(run_id)s, n, n, n * 100, n * 90, n * 80, n * 10, n * 10, n, n * 2, n * 3
        FROM generate_series(1, %(samples)s) n
        """,
        {"run_id": run_id, "samples": samples},
    )
    return run_id
