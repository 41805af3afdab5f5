"""How fast the console's pages are on a long history, and its operations on many commands."""

import time
from statistics import median
from typing import Any, LiteralString

from bench.benchmark.case import Metric, Run, case
from bench.benchmark.console_pages import TSQ_GROUPS, TSQ_LIST
from bench.benchmark.program import answer_of
from bench.benchmark.tables import PAGE_COSTS, page_value
from bench.errors import BenchError
from bench.history.seed import Wanted, seed, tidy
from commands.rules.words import DOMAIN

OK = 200
BARE_RUNS = 11

# What tells the pace of a machine: statements of the kind that the pages ask, without the site.
LOOK: LiteralString = """
    SELECT count(*) FROM (SELECT command_id FROM public.test_command ORDER BY id DESC LIMIT 10000) t
    CROSS JOIN LATERAL (SELECT status FROM commandbus.command WHERE domain = %s AND command_id = t.command_id LIMIT 1) c
    WHERE c.status = 'none'
"""
GROUP: LiteralString = """
    SELECT error_code, behavior, count(*) FROM commandbus.parked WHERE domain = %s GROUP BY 1, 2 ORDER BY 3 DESC
"""


@case(
    "console",
    "The console on a long history",
    sizes={
        "commands": 2_000_000, "days": 30, "parked": 10_000, "parked-later": 100_000, "visits": 20, "sent": 100_000,
        "exported": 1_000_000,
    },
    quick={
        "commands": 40_000, "days": 2, "parked": 500, "parked-later": 2000, "visits": 3, "sent": 5000,
        "exported": 20_000,
    },
    metrics={
        "seeding": Metric(label="history written", unit="s"),
        "median": Metric(label="the slowest page: median", unit="ms", digits=1),
        "p95": Metric(label="the slowest page: p95", unit="ms", digits=1),
        "queries": Metric(label="most queries of a page", unit=""),
        "statement": Metric(label="the slowest statement", unit="ms", digits=1),
        "look": Metric(label="without the site: a look at 10,000 that finds none", unit="ms", digits=1),
        "group": Metric(label="without the site: 100,000 parked, grouped", unit="ms", digits=1),
        "tsq-list": Metric(label="TSQ of 100,000: its list, median", unit="ms", digits=1),
        "tsq-groups": Metric(label="TSQ of 100,000: its groups, median", unit="ms", digits=1),
        "retry": Metric(label="retry of all of them by an operation", unit="commands/s"),
        "send": Metric(label="bulk send of 100,000 by an operation", unit="s", digits=1),
        "export": Metric(label="export of 1,000,000 rows as CSV", unit="s", digits=1),
        "export-memory": Metric(label="export: most memory", unit="MB"),
    },
    seconds=0,
    once_s=480,
)  # fmt: skip
def console(run: Run) -> None:
    """A made history, visited by one person, all in one process. Once: the visits are the rounds."""
    run.testbed.empty()
    began = time.monotonic()
    _fill(run, commands=run.sizes["commands"], parked=run.sizes["parked"])
    run.record("seeding", time.monotonic() - began)
    run.record("look", _bare(run, LOOK))
    _pages(run)
    _export(run)
    _many(run)


def _fill(run: Run, *, commands: int, parked: int, alone: bool = False) -> None:
    """Write a history; ``alone``: nothing but parked commands, beside the one that is there."""
    wanted = Wanted(
        commands=commands,
        parked=parked,
        failed=0 if alone else commands * 3 // 100,
        canceled=0 if alone else commands // 100,
        waiting=0 if alone else commands // 400,
        days=run.sizes["days"],
        domain=DOMAIN,
        seed=1,
    )
    said = 0
    for written in seed(run.testbed.conn, wanted, add=alone):
        if written.commands - said >= commands // 4:
            said = written.commands
            run.say(f"{said:,} of {commands:,} commands are written")
    tidy(run.testbed.conn, DOMAIN)


def _answers(run: Run, what: str, *words: str) -> dict[str, Any]:
    """What the program answers. Raises BenchError where a page that it visited did not answer as it should."""
    found = answer_of(run.testbed.database, "console_visitor", what, "--visits", str(run.sizes["visits"]), *words)
    pages = found.get("pages", [])
    wrong = [f"{page['name']} ({page['path']}) answers {page['status']}" for page in pages if page["status"] != OK]
    if wrong:
        raise BenchError(f"Not all pages can be measured: {'; '.join(wrong)}.")
    return found


def _pages(run: Run) -> None:
    found = _answers(run, "pages")["pages"]
    for page in found:
        for cost in PAGE_COSTS:
            run.result.add(page_value(page["name"], cost), page[cost])
    for cost in PAGE_COSTS:
        worst = max(found, key=lambda page: page[cost])
        run.record(cost, worst[cost])
        run.note(cost, f"{run.metrics[cost].label.capitalize()}: {worst['name']}")
    slowest = max(found, key=lambda page: page["statement"])
    run.say(f"slowest statement: {slowest['sql']}")


def _export(run: Run) -> None:
    wanted = run.sizes["exported"]
    answer = _answers(run, "export", "--count", str(wanted))
    if answer["status"] != OK or answer["rows"] < wanted:
        raise BenchError(f"The export answers {answer['status']} and {answer['rows']:,} of {wanted:,} rows.")
    run.record("export", answer["seconds"])
    run.record("export-memory", answer["peak_mb"])


def _many(run: Run) -> None:
    """More is parked behind the history, then all of it is retried, and as many are sent."""
    more = run.sizes["parked-later"] - run.sizes["parked"]
    _fill(run, commands=more, parked=more, alone=True)
    run.record("group", _bare(run, GROUP))
    answer = _answers(run, "many", "--count", str(run.sizes["sent"]))
    pages = {page["name"]: page for page in answer["pages"]}
    for metric, name in (("tsq-list", TSQ_LIST), ("tsq-groups", TSQ_GROUPS)):
        run.record(metric, pages[name]["median"])
    for metric, wanted in (("retry", run.sizes["parked-later"]), ("send", run.sizes["sent"])):
        if answer[metric]["done"] != wanted:
            raise BenchError(f"{metric}: {answer[metric]['done']:,} of {wanted:,} commands are done.")
    run.record("retry", answer["retry"]["done"] / answer["retry"]["seconds"])
    run.record("send", answer["send"]["seconds"])


def _bare(run: Run, statement: LiteralString) -> float:
    """Milliseconds, the median."""
    found = []
    for _ in range(BARE_RUNS):
        began = time.perf_counter()
        run.testbed.conn.execute(statement, [DOMAIN]).fetchall()
        found.append((time.perf_counter() - began) * 1000)
    return median(found)
