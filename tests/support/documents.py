"""Documents of runs, made by hand: one with every field filled and every word used, one of a run in which nothing
happened, and one whose texts try to break out of what shows them.
"""

import math
import random
from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID

from bench.report.document import (
    Accounting,
    Cell,
    CommandVerdict,
    Cost,
    Criterion,
    Deviation,
    Document,
    Event,
    Execution,
    FaultRecord,
    Head,
    Latency,
    Point,
    Row,
    Rule,
    RuleWord,
    Sample,
    Story,
)
from bench.scenarios.model import RunVerdict

LEASE_S = 3.0
HOSTILE = (
    "</style></title>\"'><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>&amp;\u202e\x07`|*_"
)


def command(number: int) -> str:
    """The id of the command of that number."""
    return str(UUID(int=0x0193_0000_0000_7000_8000_0000_0000_0000 + number))


def full() -> Document:
    """A worker was killed and a server stalled; most went well, and one of each thing that can go wrong did."""
    return Document(
        head=Head(
            run=7, scenario="kill", about="A worker that is killed loses nothing: another one takes over.", seed=42,
            engines=["native", "library"], verdict=RunVerdict.FAIL, expected_verdict=RunVerdict.PASS,
            why="1 command is lost (6 more).", unknowns=["hold_row did not fire: no message was there"], state="ended",
            started_at="2026-11-27T07:00:00+00:00", ended_at="2026-11-27T07:00:31+00:00", seconds=31.4,
            command="manage.py bench run kill --seed 42",
        ),
        scenario={
            "scenario": "kill", "about": "A worker that is killed loses nothing.", "place": "own",
            "bus": {"visibility_timeout": LEASE_S, "max_attempts": 3}, "mix": {"success": {"weight": 70}},
        },
        versions={"site": "0.1.0", "reliable-cmd": "0.2.2", "PostgreSQL": "15.8", "PGMQ": "1.5.1", "Python": "3.12.4"},
        environment={
            "machine": {"processors": 2, "memory_gb": 8, "load_before": [0.2, 0.3, 0.4]}, "noisy": False,
            "disk_fdatasync_per_s": None, "settings": {"synchronous_commit": "on"},
        },
        fleet=[
            {"name": "w1.1", "pid": 4001, "engine": "native", "exit_code": -9, "said": ["WARNING lease is short"]},
            {"name": "w1.2", "pid": 4009, "engine": "native", "exit_code": 0, "said": []},
            {"name": "w2.1", "pid": 4002, "engine": "library", "exit_code": None, "said": ["ERROR no connection"]},
        ],
        accounting=Accounting(
            attempted=1010, acknowledged=1000, errors=6, unknown=4, duplicates_refused=2, recovered=3, completed=880,
            failed=50, parked=66, canceled=1, stuck=2, lost=1, unexpected=1, duplicate_deliveries=12,
            duplicate_effects=3, duplicate_replies=1,
            samples={
                "completed": [command(n) for n in range(1, 9)], "lost": [command(900)],
                "stuck": [command(901), command(902)], "duplicate_effects": [command(2)],
            },
        ),
        verdicts={
            "MATCH": 979, "ALLOWED": 12, "KNOWN": 2, "MISMATCH": 2, "STUCK": 2, "LOST": 1, "UNKNOWN": 2,
        },
        matrix=[
            Row(behavior="success", said="It completes with its first attempt.", expected=["COMPLETED"],
                attempts=(1, 1), sent=700, cells=[
                    Cell(status="COMPLETED", count=697, expected=True, attempts={"1": 685, "2": 11, "3": 1},
                         verdicts={"MATCH": 685, "ALLOWED": 12}, commands=[command(n) for n in range(1, 9)]),
                    Cell(status="PENDING", count=2, expected=False, attempts={"0": 2}, verdicts={"STUCK": 2},
                         commands=[command(901), command(902)]),
                    Cell(status="ABSENT", count=1, expected=False, attempts={}, verdicts={"LOST": 1},
                         commands=[command(900)]),
                ]),
            Row(behavior="fail_permanent", said="It is parked with its first attempt.",
                expected=["IN_TROUBLESHOOTING_QUEUE"], attempts=(1, 1), sent=60, cells=[
                    Cell(status="IN_TROUBLESHOOTING_QUEUE", count=60, expected=True, attempts={"1": 60},
                         verdicts={"MATCH": 60}, commands=[command(400)]),
                ]),
            Row(behavior="timeout", said="It completes, or is parked where its leases run out.",
                expected=["COMPLETED", "IN_TROUBLESHOOTING_QUEUE"], attempts=(1, 3), sent=40, cells=[
                    Cell(status="COMPLETED", count=33, expected=True, attempts={"1": 20, "2": 10, "3": 3},
                         verdicts={"MATCH": 31, "KNOWN": 2}, commands=[command(500)]),
                    Cell(status="IN_TROUBLESHOOTING_QUEUE", count=7, expected=True, attempts={"3": 7},
                         verdicts={"MATCH": 5, "MISMATCH": 2}, commands=[]),
                ]),
        ],
        rules=_rules(),
        expectations=[
            Criterion(text="at most 0 commands are lost", held=False, seen="1"),
            Criterion(text="end to end p99 is at most 500 ms", held=True, seen="312 ms"),
            Criterion(text="it resumes within 8 s", held=None, seen="nothing ended after the fault"),
        ],
        sometimes=[
            Criterion(text="a command is delivered again", held=True, seen="12"),
            Criterion(text="two workers take commands", held=False, seen="1 did"),
            Criterion(text="every behavior is there", held=None),
        ],
        faults=[
            FaultRecord(do="kill_worker", id="F1", text="SIGKILL to a worker that has executions open.", planned_s=7.0,
                        began_s=7.02, ended_s=8.1, fired=True, detail="3 executions were open",
                        criteria=[Criterion(text="what was open is received again in time", held=True, seen="2.9 s"),
                                  Criterion(text="at most 3 are done twice", held=False, seen="4")]),
            FaultRecord(do="freeze_server", id="F9", text="The server stands still.", planned_s=14.0, began_s=14.0,
                        ended_s=16.5, fired=True,
                        criteria=[Criterion(text="nothing that was acknowledged is lost", held=None)]),
            FaultRecord(do="hold_row", id="F13", text="The row of one command is held.", planned_s=20.0, began_s=None,
                        ended_s=None, fired=False, detail="no message was there"),
            FaultRecord(do="odd_text", id="odd_text", text="Odd texts in payloads.", planned_s=21.0, began_s=21.0,
                        ended_s=None, fired=None),
        ],
        phases=[("warmup", 0.0, 3.0), ("steady", 3.0, 18.0), ("recover", 18.0, 28.0)],
        points=_points(),
        latency=_latency(),
        lanes=_lanes(),
        stories=_stories(),
        costs=[
            Cost(name="WAL", value=3_120_000, unit="bytes", per_command=3120.5),
            Cost(name="transactions", value=1400, unit="transactions", per_command=1.4),
            Cost(name="buffers", value=None, unit="blocks"),
        ],
        deviations=[
            Deviation(id="D2", text="Attempts have no bound where leases run out.", word="present",
                      commands=[command(500)]),
            Deviation(id="D4", text="One reply for each overlapping execution.", word="fixed"),
            Deviation(id="D7", text="Concurrent duplicates raise a raw error.", word="not_exercised"),
        ],
    )  # fmt: skip


def empty() -> Document:
    """A run that was canceled before anything happened."""
    found = full()
    return found.model_copy(
        update={
            "head": found.head.model_copy(
                update={"verdict": RunVerdict.UNKNOWN, "why": "It was canceled.", "unknowns": [], "state": "canceled"}
            ),
            "scenario": {}, "versions": {}, "environment": {}, "fleet": [],
            "accounting": Accounting(
                attempted=0, acknowledged=0, errors=0, unknown=0, recovered=0, completed=0, failed=0, parked=0,
                canceled=0, stuck=0, lost=0, unexpected=0, duplicate_deliveries=0, duplicate_effects=0,
                duplicate_replies=0,
            ),
            "verdicts": {}, "matrix": [], "rules": [], "expectations": [], "sometimes": [], "faults": [], "phases": [],
            "points": [], "latency": [], "lanes": [], "stories": [], "costs": [], "deviations": [],
        }
    )  # fmt: skip


def short() -> Document:
    """One point, one execution, no percentile: as little as can be drawn."""
    return empty().model_copy(
        update={
            "points": [Point(at_s=0.5)],
            "latency": [
                Latency(name="pickup", n=1, p50=None, p90=None, p99=None, p999=None, most=3.0, spectrum=[(0.5, 3.0)])
            ],
            "lanes": [Execution(command_id=command(1), attempt=1, worker="w1.1", began_s=0.1, ended_s=None)],
            "stories": [
                Story(command_id=command(1), behavior="success", verdict=CommandVerdict.UNKNOWN, why="", word="",
                      expected="", status="PENDING", events=[], executions=[], lease_s=0),
                Story(command_id=command(2), behavior="success", verdict=CommandVerdict.STUCK, why="", word="S",
                      expected="SRC", status="PENDING", events=[Event(at_s=0, type="SENT")], executions=[], lease_s=3),
            ],
        }
    )  # fmt: skip


def hostile() -> Document:
    """Every text from outside is `HOSTILE` with a number: names, reasons, what workers said, words that are new."""
    return Document.model_validate(_poisoned(full().model_dump(mode="json"), count()))


# What the model limits to words of its own, by the names of its fields.
_OWN_WORDS = frozenset({"word", "when", "state", "verdict", "expected_verdict"})


def _poisoned(value: Any, numbers: Iterator[int], key: str = "") -> Any:
    if isinstance(value, dict):
        if "spectrum" in value:
            return value
        mark = HOSTILE if key in ("versions", "environment") else ""
        return {f"{name}{mark}": _poisoned(one, numbers, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_poisoned(one, numbers, key) for one in value]
    return f"{HOSTILE}{next(numbers)}" if isinstance(value, str) and key not in _OWN_WORDS else value


def _rules() -> list[Rule]:
    return [
        Rule(id="L1", text="What was acknowledged is there at the end.", when="Q", word=RuleWord.BROKEN, checked=1000,
             violations=1, samples=[Sample(command_id=command(900), detail="acknowledged, and in no table")],
             sql="SELECT command_id\nFROM public.bench_send\nWHERE outcome = 'acknowledged' AND …"),
        Rule(id="V03", text="The story of a command is a word of the grammar.", when="A", word=RuleWord.BROKEN,
             checked=1003, violations=40, samples=[
                 Sample(command_id=command(2), detail="ends twice", word="SRRCC"),
                 Sample(command_id=None, detail="a message that belongs to no command"),
             ], sql="SELECT 1;", deviations=["D3", "D4"]),
        Rule(id="V11", text="No command has more attempts than it may.", when="A", word=RuleWord.HOLDS, checked=1003,
             sql="SELECT command_id FROM commandbus.command WHERE attempts > max_attempts"),
        Rule(id="V15", text="A command has one reply.", when="Q", word=RuleWord.UNKNOWN, why="it never became quiet"),
        Rule(id="V16", text="Batches count their commands.", when="Q", word=RuleWord.NOT_ASKED, why="no batch there"),
    ]  # fmt: skip


def _points() -> list[Point]:
    points, sent, ended = [], 0, 0
    for number in range(1, 61):
        at_s = number * 0.5
        stalled = 14 <= at_s <= 16.5
        sent += 0 if stalled or at_s > 28 else 20
        ended = min(sent, ended + (0 if stalled else 24))
        points.append(
            Point(at_s=at_s, offered=min(int(at_s * 40), 1120), sent=sent, received=ended + 2, ended=ended,
                  visible=sent - ended, leased=4, delayed=number % 7, oldest_s=max(0.0, (sent - ended) / 40),
                  p50_ms=None if stalled else 8 + number % 3, p95_ms=None if stalled else 40 + number,
                  p99_ms=None if stalled else 300.0 if 16.5 < at_s < 20 else 90.0, processor=60.0)
        )  # fmt: skip
    return points


def _latency() -> list[Latency]:
    shares = [1 - 10 ** (-step / 4) for step in range(13)]

    def one(name: Any, base: float, p999: float | None) -> Latency:
        times = [(share, round(base * (1 + 6 * -math.log10(1 - share)), 2)) for share in shares]
        return Latency(name=name, n=1000, p50=base * 2, p90=base * 7, p99=base * 13, p999=p999, most=base * 40,
                       spectrum=times)  # fmt: skip

    return [
        one("pickup", 3, None),
        one("service", 6, None),
        one("end_to_end", 9, None),
        one("send_delay", 0.4, 8.0),
    ]


def _lanes() -> list[Execution]:
    roll, lanes, number = random.Random(1), [], 0  # noqa: S311  # the same picture each time
    for worker in ("w1.1", "w2.1"):
        for lane in range(4):
            at_s = 0.2 * lane
            while at_s < (7.0 if worker == "w1.1" else 28.0):
                number += 1
                length = roll.choice((0.05, 0.1, 0.4, 0.9))
                lanes.append(
                    Execution(command_id=command(number), attempt=1, worker=worker, lane=lane, began_s=round(at_s, 3),
                              ended_s=round(at_s + length, 3), outcome=roll.choice(("ok", "ok", "TransientError")))
                )  # fmt: skip
                at_s += length + roll.choice((0.01, 0.1, 0.5))
    lanes.append(Execution(command_id=command(2), attempt=1, worker="w1.1", lane=3, began_s=6.8, ended_s=None))
    lanes.append(
        Execution(
            command_id=command(500),
            attempt=1,
            worker="w2.1",
            lane=4,
            began_s=9.0,
            ended_s=13.5,
            outcome="ok",
            overlaps=True,
        )
    )
    lanes.append(
        Execution(
            command_id=command(500),
            attempt=2,
            worker="w2.1",
            lane=5,
            began_s=12.05,
            ended_s=16.6,
            outcome="ok",
            overlaps=True,
        )
    )
    return lanes


def _stories() -> list[Story]:
    return [
        Story(command_id=command(900), behavior="success", verdict=CommandVerdict.LOST,
              why="It was acknowledged, and is not there.",
              word="", expected="SRC", status="ABSENT", events=[], executions=[], lease_s=LEASE_S),
        Story(command_id=command(500), behavior="timeout", verdict=CommandVerdict.KNOWN,
              why="Executed twice, with two replies (D4).", word="SRRCC", expected="SR+C+", status="COMPLETED",
              events=[Event(at_s=8.9, type="SENT"), Event(at_s=9.0, type="RECEIVED", attempt=1, worker="w2.1"),
                      Event(at_s=12.04, type="RECEIVED", attempt=2, worker="w2.1"),
                      Event(at_s=13.5, type="COMPLETED"), Event(at_s=16.6, type="COMPLETED")],
              executions=[
                  Execution(command_id=command(500), attempt=1, worker="w2.1", lane=4, began_s=9.0, ended_s=13.5,
                            outcome="ok", overlaps=True),
                  Execution(command_id=command(500), attempt=2, worker="w2.1", lane=5, began_s=12.05, ended_s=16.6,
                            outcome="ok", overlaps=True)],
              lease_s=LEASE_S),
        Story(command_id=command(2), behavior="success", verdict=CommandVerdict.ALLOWED,
              why="Its worker was killed (F1): another one took over.", word="SRRC", expected="SR+C",
              status="COMPLETED",
              events=[Event(at_s=6.75, type="SENT"), Event(at_s=6.8, type="RECEIVED", attempt=1, worker="w1.1"),
                      Event(at_s=9.85, type="RECEIVED", attempt=2, worker="w2.1"),
                      Event(at_s=9.95, type="COMPLETED", attempt=2, worker="w2.1")],
              executions=[
                  Execution(command_id=command(2), attempt=1, worker="w1.1", began_s=6.81, ended_s=None),
                  Execution(command_id=command(2), attempt=2, worker="w2.1", began_s=9.86, ended_s=9.94, outcome="ok")],
              lease_s=LEASE_S),
        Story(command_id=command(400), behavior="fail_transient", verdict=CommandVerdict.MATCH,
              why="Its attempts were used up.", word="SRFRFRTOX", expected="S(RF){2}RT", status="CANCELED",
              events=[Event(at_s=1.0, type="SENT"),
                      Event(at_s=1.1, type="RECEIVED", attempt=1, worker="w1.1"),
                      Event(at_s=1.2, type="FAILED", attempt=1, code="TIMEOUT"),
                      Event(at_s=2.3, type="RECEIVED", attempt=2, worker="w2.1"),
                      Event(at_s=2.5, type="FAILED", attempt=2, code="TIMEOUT"),
                      Event(at_s=4.6, type="RECEIVED", attempt=3, worker="w1.1"),
                      Event(at_s=4.7, type="MOVED_TO_TSQ", attempt=3, code="TIMEOUT"),
                      Event(at_s=6.0, type="OPERATOR_RETRY"), Event(at_s=6.2, type="OPERATOR_CANCEL")],
              executions=[], lease_s=LEASE_S),
        *(
            Story(command_id=command(600 + place), behavior="success", verdict=verdict, why=f"An example of {verdict}.",
                  word="SRC", expected="SRC", status="COMPLETED",
                  events=[Event(at_s=2.0, type="SENT"), Event(at_s=2.004, type="RECEIVED", attempt=1, worker="w1.1"),
                          Event(at_s=2.01, type="COMPLETED", attempt=1, worker="w1.1")],
                  executions=[Execution(command_id=command(600 + place), attempt=1, worker="w1.1", began_s=2.005,
                                        ended_s=2.009, outcome="ok")],
                  lease_s=LEASE_S)
            for place, verdict in enumerate(CommandVerdict)
        ),
    ]  # fmt: skip


def capacity() -> Document:
    """A search for the knee: two searches that end, and a rate that its sender could not offer."""
    tries = [
        _try(1, 500.0, 4.2, 9.8, kept=True, why="kept up"),
        _try(1, 4000.0, 40.0, 180.5, kept=False, why="p99 180 ms, 50 allowed"),
        _try(1, 2000.0, 6.1, 31.0, kept=True, why="kept up"),
        _try(2, 2500.0, None, None, kept=None, why="its sender could not offer it <b>"),
    ]
    found = {
        "p99_ms": 50.0, "seconds": 10.0, "engine": "native", "workers": 1, "slots": 200, "tries": tries, "knee": 2100.0,
        "at_least": False, "knees": [2000.0, 2200.0], "spread": [2000.0, 2200.0],
        "limit": {"resource": "processor of a worker", "why": "It was 96 % busy.", "shares": {"worker": 96.2}},
    }  # fmt: skip
    return empty().model_copy(update={"capacity": found})


def _try(
    trial: int, rate: float, p50: float | None, p99: float | None, *, kept: bool | None, why: str
) -> dict[str, Any]:
    return {
        "trial": trial, "rate": rate, "p50_ms": p50, "p99_ms": p99, "growth": 0.0, "delay_p99_ms": 5.0, "kept": kept,
        "why": why,
    }  # fmt: skip
