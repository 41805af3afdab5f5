"""The figures to reach, as one table: on 2 processors, PostgreSQL on the same machine, synchronous_commit on.

Ratios are of figures from one run. Concurrency and batch size are 200 unless said otherwise. The limits are for a
machine on which `_LOOK_MS`, `_GROUP_MS` and `_ONE_MS` hold; a slower one is judged at its own pace.
"""

from collections.abc import Iterable
from functools import partial

from bench.benchmark.measures import Measure, best, highest, inverse, of, ratio, ratio_of_medians, scaled, seconds_for
from bench.benchmark.verdicts import Side, Target

_at_least = partial(Target, side=Side.AT_LEAST)
_at_most = partial(Target, side=Side.AT_MOST)

# Statements without the site: a look at 10,000 commands of 2,000,000 that finds none, and 100,000 parked ones grouped.
_LOOK_MS, _GROUP_MS = 23, 14
_ONE_MS = 2.96  # the three statements of one command, one after the other
_CEILING_SHARE = 0.8  # of what PostgreSQL alone does, a drain has to do so much

_native, _ceiling = of("drain", "native"), of("drain", "ceiling")
_library = best(*(of("drain", f"library-{concurrency}") for concurrency in (4, 20, 50)))
_fresh, _send = of("growth", "fresh"), of("send", "one")
_one = of("latency", "ceiling-p50")  # one command by PostgreSQL alone: how fast this machine is at small things

_DRAIN = (
    _at_least(
        text="Drain, one process, over the library at its best",
        measure=ratio(_native, _library),
        limit=15,
        unit="x",
        digits=1,
        ceiling=ratio(_ceiling, _library),
        floor=10,
        resource=("drain", "ceiling:busy"),
    ),
    _at_least(
        text="Drain with 400 slots, over the ceiling",
        measure=ratio(of("drain", "native-deep"), _ceiling),
        limit=_CEILING_SHARE,
        unit="x",
    ),
    _at_least(
        text="Drain",
        measure=_native,
        limit=12_000,
        unit="commands/s",
        digits=0,
        pace=scaled(_ceiling, _CEILING_SHARE),
    ),
    _at_least(
        text="Default settings, over the library with the same",
        measure=ratio(of("defaults", "native"), of("defaults", "library")),
        limit=3,
        unit="x",
        digits=1,
    ),
)
_GROWTH = (
    _at_least(
        text="1,000,000 waiting: median slice of 10,000, over fresh drains",
        measure=ratio_of_medians(of("growth", "slices"), _fresh),
        limit=0.9,
        unit="x",
    ),
    _at_least(
        text="1,000,000 waiting: the whole, over fresh drains",
        measure=ratio_of_medians(of("growth", "whole"), _fresh),
        limit=0.7,
        unit="x",
    ),
    _at_most(
        text="1,000,000 waiting: memory of the worker",
        measure=highest(of("growth", "memory")),
        limit=150,
        unit="MB",
        digits=0,
    ),
    _at_least(
        text="Behind 100,000 delayed messages, over without them",
        measure=ratio(of("delayed", "delayed"), of("delayed", "fresh")),
        limit=0.5,
        unit="x",
    ),
    _at_least(
        text="While a snapshot is held, over before",
        measure=ratio(of("snapshot", "during"), of("snapshot", "before")),
        limit=0.5,
        unit="x",
    ),
    _at_most(
        text="After the snapshot, until the rate is back",
        measure=of("snapshot", "recovery"),
        limit=10,
        unit="s",
        digits=0,
    ),
)
_TIME = (
    _at_least(
        text="Commands of 200 ms in 200 slots, share of 1,000/s",
        measure=of("times", "share-200"),
        limit=0.95,
    ),
    _at_most(
        text="3,000 commands/s, open loop: due to COMPLETED, p99",
        measure=of("rate", "p99"),
        limit=100,
        unit="ms",
        digits=1,
        ceiling=of("rate", "ceiling-p99"),
        resource=("rate", "ceiling-p99:busy"),
    ),
    _at_most(
        text="One command, idle system: send to answer, p50",
        measure=of("latency", "seen-p50"),
        limit=5,
        unit="ms",
        digits=1,
        pace=scaled(_one, 5 / _ONE_MS),
    ),
    _at_most(
        text="One command, idle system: send to answer, p99",
        measure=of("latency", "seen-p99"),
        limit=25,
        unit="ms",
        digits=1,
        ceiling=of("latency", "ceiling-p99"),
        resource=("latency", "ceiling:busy"),
    ),
)
_SEND = (
    _at_least(
        text="Send, one connection, over the library's send_batch",
        measure=ratio(_send, of("send", "library")),
        limit=4,
        unit="x",
        digits=1,
    ),
    _at_least(
        text="Send, one connection, over the ceiling",
        measure=ratio(_send, of("send", "ceiling-one")),
        limit=0.8,
        unit="x",
    ),
    *(
        _at_least(
            text=f"Send, {name}",
            measure=of("send", number),
            limit=limit,
            unit="commands/s",
            digits=0,
            ceiling=of("send", f"ceiling-{number}"),
            resource=("send", f"ceiling-{number}:busy"),
        )
        for number, name, limit in (("one", "one connection", 30_000), ("two", "two connections", 60_000))
    ),
    _at_most(
        text="Send 1,000,000",
        measure=of("million", "seconds"),
        limit=40,
        unit="s",
        digits=1,
        ceiling=seconds_for("million", of("send", "ceiling-two")),
        resource=("send", "ceiling-two:busy"),
    ),
    _at_most(
        text="Send 1,000,000: memory of the sender",
        measure=highest(of("million", "memory")),
        limit=200,
        unit="MB",
        digits=0,
    ),
)
_COSTS = (
    _at_most(
        text="Transactions per command, full drain", measure=of("costs", "native-transactions"), limit=0.05, digits=4
    ),
    _at_most(text="Statements per command, full drain", measure=of("costs", "native-statements"), limit=0.05, digits=4),
    _at_most(
        text="Write-ahead log per command, full drain",
        measure=of("costs", "native-wal"),
        limit=3,
        unit="KB",
        digits=2,
        remark="a prototype: 1.5 KB",
    ),
)

_look, _group = of("console", "look"), of("console", "group")


def _ms(text: str, metric: str, limit: int, bare: Measure = _look, bare_ms: int = _LOOK_MS) -> Target:
    """A time of the console, at the pace of a bare statement."""
    pace = scaled(bare, limit / bare_ms)
    return _at_most(text=text, measure=of("console", metric), limit=limit, unit="ms", digits=1, pace=pace)


_CONSOLE = (
    _ms("Console, 2,000,000 commands: the slowest page, median", "median", 60),
    _ms("Console: the slowest page, p95", "p95", 150),
    _at_most(text="Console: the most queries of a page", measure=of("console", "queries"), limit=12, digits=0),
    _ms("Console: the slowest statement", "statement", 100),
    *(_ms(f"TSQ of 100,000: its {part}, median", f"tsq-{part}", 40, _group, _GROUP_MS) for part in ("list", "groups")),
    _at_least(
        text="Retry of 100,000 by an operation",
        measure=of("console", "retry"),
        limit=15_000,
        unit="commands/s",
        digits=0,
        pace=scaled(inverse(_look), 15_000 * _LOOK_MS),
    ),
    _at_most(
        text="Send of 100,000 by an operation",
        measure=of("console", "send"),
        limit=6,
        unit="s",
        digits=1,
        pace=scaled(_look, 6 / _LOOK_MS),
    ),
    _at_most(text="Export of 1,000,000 rows", measure=of("console", "export"), limit=60, unit="s", digits=1),
    _at_most(
        text="Export of 1,000,000 rows: memory", measure=of("console", "export-memory"), limit=150, unit="MB", digits=0
    ),
)

_API = (
    _at_least(
        text="API: single sends, 8 connections, 2 web processes",
        measure=of("api", "rate"),
        limit=500,
        unit="commands/s",
        digits=0,
        pace=scaled(inverse(_one), 500 * _ONE_MS),
    ),
    *(
        _at_most(
            text=f"API: {text}",
            measure=of("api", metric),
            limit=limit,
            unit=unit,
            digits=1,
            pace=scaled(_one, limit / _ONE_MS),
        )
        for text, metric, limit, unit in (
            ("single send, p99", "send-p99", 100, "ms"),
            ("bulk send of 100,000", "bulk", 6, "s"),
            ("a page of the list, p95", "list-p95", 100, "ms"),
            ("one command, p95", "detail-p95", 100, "ms"),
            ("/metrics, p95", "metrics-p95", 20, "ms"),
            ("200 dashboards, share of a processor", "viewers-cpu", 25, "%"),
        )
    ),
)

_OBSERVER = (
    _at_least(
        text="Drain by a worker that samples, over one that does not",
        measure=ratio(of("observer", "with"), of("observer", "without")),
        limit=0.98,
        unit="x",
    ),
    _at_most(
        text="Sampler at 5,000 commands/s, share of one processor",
        measure=of("observer", "processor"),
        limit=1,
        unit="%",
        pace=scaled(_one, 1 / _ONE_MS),
    ),
)

_LEDGER = (
    _at_least(
        text="Drain with the handlers' ledger of a run, over without it",
        measure=ratio(of("ledger", "with"), of("ledger", "without")),
        limit=0.9,
        unit="x",
    ),
)

TARGETS: tuple[Target, ...] = (*_DRAIN, *_GROWTH, *_TIME, *_SEND, *_COSTS, *_CONSOLE, *_API, *_OBSERVER, *_LEDGER)


def needed() -> frozenset[str]:
    """The cases that all targets together are measured by."""
    return frozenset().union(*(target.needs for target in TARGETS))


def decidable(cases: Iterable[str]) -> list[Target]:
    """The targets for which these cases are enough."""
    given = frozenset(cases)
    return [target for target in TARGETS if target.needs <= given]
