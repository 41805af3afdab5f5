"""Runs of the bench as rows, for tests of what shows them."""

import json
from typing import Any

import psycopg

from bench.report.document import Accounting, Cell, Cost, Document, FaultRecord, Head, Latency, Row, Rule, RuleWord
from bench.runs.variants import shipped, varied
from bench.scenarios.model import RunVerdict
from bench.scenarios.yaml_file import to_json

Json = dict[str, Any]

COUNTS = [name for name in Accounting.model_fields if name != "samples"]


def document(
    *, run: int = 1, verdict: RunVerdict = RunVerdict.PASS, scenario: str = "smoke", seed: int = 1, p99: float = 20.0,
    completed: int = 300, broken: tuple[str, ...] = (), **head: Any,
) -> Document:  # fmt: skip
    """A document as a run composes it, with little in it."""
    asked = varied(shipped()[scenario], seed=seed)
    counts = {**dict.fromkeys(COUNTS, 0), "attempted": 300, "acknowledged": 300}
    return Document(
        head=Head(**{
            "run": run, "scenario": scenario, "about": asked.about, "seed": seed, "engines": ["native"],
            "verdict": verdict, "expected_verdict": RunVerdict.PASS, "why": "All 300 came to what they had to.",
            "started_at": "2026-11-27T07:00:00+00:00", "ended_at": "2026-11-27T07:00:09+00:00", "seconds": 9.4,
            "command": f"manage.py bench run {scenario} --seed {seed}", **head,
        }),
        scenario=asked.model_dump(mode="json", by_alias=True), versions={"python": "3.11.7"}, environment={},
        fleet=[], accounting=Accounting.model_validate({**counts, "completed": completed, "stuck": 300 - completed}),
        verdicts={"MATCH": completed}, rules=[
            Rule(id=name, text="a rule", when="A", word=RuleWord.BROKEN, violations=2) for name in broken
        ],
        matrix=[Row(
            behavior="success", said="Completes at attempt 1.", expected=["COMPLETED"], attempts=(1, 1), sent=300,
            cells=[Cell(status="COMPLETED", count=completed, expected=True, attempts={"1": completed}, verdicts={},
                        commands=[])],
        )],
        expectations=[], sometimes=[], phases=[("steady", 0.0, 3.0)], points=[], lanes=[], stories=[],
        faults=[FaultRecord(do="kill_worker", id="F1", text="SIGKILL", planned_s=2, began_s=2, ended_s=3, fired=True)],
        latency=[Latency(name="end_to_end", n=300, p50=5.0, p90=9.0, p99=p99, p999=None, most=30.0)],
        costs=[Cost(name="WAL", value=300_000, unit="bytes", per_command=1000.0)],
    )  # fmt: skip


def add_bench_run(conn: psycopg.Connection[Any], made: Document | None = None, **columns: Any) -> int:
    """Insert a run, ended with this document unless columns say otherwise; its number."""
    made = made or (document() if columns.get("state", "ended") == "ended" else None)
    scenario = columns.get("scenario", made.head.scenario if made else "smoke")
    seed = columns.get("seed", made.head.seed if made else 1)
    row: Json = {
        "state": "ended",
        "scenario": scenario,
        "engines": "native",
        "seed": seed,
        "source": json.dumps(to_json(varied(shipped().get(scenario, shipped()["smoke"]), seed=seed))),
        "total": 300,
        "done": 300,
        "verdict": made.head.verdict.value if made else None,
        "as_asked": made.head.verdict == made.head.expected_verdict if made else None,
        "why": made.head.why if made else "",
        "document": made.model_dump_json() if made else None,
        "host": "alpha",
        "pid": 4242,
        **columns,
    }
    over = row["state"] not in ("waiting", "running")
    names, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    began = "NULL" if row["state"] == "waiting" else "clock_timestamp() - interval '9 s'"
    found = conn.execute(
        f"INSERT INTO bench_run ({names}, started_at, beat_at, ended_at) OVERRIDING SYSTEM VALUE"
        f" VALUES ({values}, {began}, clock_timestamp(), {'clock_timestamp()' if over else 'NULL'})"
        " RETURNING run_id".encode(),
        row,
    ).fetchone()
    # The next run that is asked for must not get the number of one that was put here.
    conn.execute("SELECT setval(pg_get_serial_sequence('public.bench_run', 'run_id'), max(run_id)) FROM bench_run")
    return int(found["run_id"] if isinstance(found, dict) else found[0]) if found else 0
