"""How fast the API is on a long history, and what dashboards that many people look at cost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from bench.benchmark.case import Metric, Run, case
from bench.benchmark.program import answer_of
from bench.errors import BenchError
from bench.history.seed import Wanted, seed, tidy
from bench.programs import MeasuredProgram
from commands.rules.words import DOMAIN
from e2e_site.embedded.process import free_port
from e2e_site.programs import manage_command

STARTS_WITHIN_S = 30
PROGRAM = "api_clients"
_FIRST_SENDS = 20
MOST_A_MINUTE = "10000000"
READS = {"list": "/api/v1/commands?limit=50", "detail": "/api/v1/commands/{id}", "metrics": "/metrics"}


@case(
    "api",
    "The API over HTTP, on a long history",
    sizes={
        "commands": 2_000_000, "days": 30, "processes": 2, "clients": 8, "sends": 500, "bulk": 100_000, "reads": 50,
        "viewers": 200, "seconds": 20,
    },
    quick={"commands": 40_000, "days": 2, "sends": 50, "bulk": 5000, "reads": 5, "viewers": 20, "seconds": 4},
    metrics={
        "rate": Metric(label="single sends, 8 connections", unit="commands/s"),
        "send-p50": Metric(label="single send, p50", unit="ms", digits=1),
        "send-p99": Metric(label="single send, p99", unit="ms", digits=1),
        "bulk": Metric(label="bulk send of 100,000, until it is done", unit="s", digits=1),
        **{f"{name}-p95": Metric(label=f"{name}, p95", unit="ms", digits=1) for name in READS},
        "viewers-p95": Metric(label="200 dashboards, every 2 s: their live part, p95", unit="ms", digits=1),
        "viewers-cpu": Metric(label="200 dashboards: the site's share of a processor", unit="%", digits=1),
    },
    seconds=40,
    once_s=200,
)  # fmt: skip
def api(run: Run) -> None:
    """The site is a program of its own, and its clients are another, which also works bulk sends off."""
    run.testbed.empty()
    size = run.sizes["commands"]
    wanted = Wanted(
        commands=size, parked=size // 200, failed=size * 3 // 100, canceled=size // 100, waiting=0,
        days=run.sizes["days"], domain=DOMAIN, seed=1,
    )  # fmt: skip
    for _ in seed(run.testbed.conn, wanted):
        pass
    tidy(run.testbed.conn, DOMAIN)
    _answer(run, "prepare")
    for _ in range(run.rounds):
        with _site(run, run.sizes["processes"]) as (port, _):
            _sends(run, port)
        with _site(run) as (port, site):
            _reads(run, port)
            _bulk(run, port)
            _viewers(run, port, site)


@contextmanager
def _site(run: Run, processes: int = 1) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    own = {"HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_READ": "true", "HTTPS": "false"}
    own["SEND_PER_MINUTE"] = MOST_A_MINUTE  # asked for all the same, and never used up: a bulk is more than a minute's
    environment = {**run.testbed.database.environment(), **own}
    with MeasuredProgram(manage_command("serve", "--processes", str(processes)), environment) as program:
        ends = time.monotonic() + STARTS_WITHIN_S
        while not (found := _listening(port)):
            program.check_running()
            if time.monotonic() > ends:
                raise BenchError(f"The site did not start within {STARTS_WITHIN_S} s.")
            time.sleep(0.1)
        yield port, found


def _listening(port: int) -> psutil.Process | None:
    for child in psutil.Process().children(recursive=True):
        if any(found.status == psutil.CONN_LISTEN and found.laddr.port == port for found in child.net_connections()):
            return child
    return None


def _answer(run: Run, what: str, *words: str) -> dict[str, Any]:
    return answer_of(run.testbed.database, PROGRAM, what, *words)


def _good(found: dict[str, Any], about: str) -> dict[str, Any]:
    """Raises BenchError where an answer was not as it should be."""
    if found["wrong"]:
        raise BenchError(f"{about}: {found['wrong']} of {found['count']} answers are wrong: {found['said']}")
    return found


def _sends(run: Run, port: int) -> None:
    def asked(count: int) -> tuple[str, ...]:
        return "--port", str(port), "--clients", str(run.sizes["clients"]), "--count", str(count)

    _good(_answer(run, "sends", *asked(_FIRST_SENDS)), "Single sends")  # until every process has connections
    with run.processors("rate"):
        found = _good(_answer(run, "sends", *asked(run.sizes["sends"])), "Single sends")
    run.record("rate", found["rate"])
    run.record("send-p50", found["p50"])
    run.record("send-p99", found["p99"])


def _reads(run: Run, port: int) -> None:
    known = run.testbed.value("SELECT command_id FROM commandbus.command WHERE status = 'COMPLETED' LIMIT 1")
    paths = {name: path.format(id=known) for name, path in READS.items()}
    words = [word for path in paths.values() for word in ("--path", path)]
    found = _answer(run, "reads", "--port", str(port), "--count", str(run.sizes["reads"]), *words)
    for name, path in paths.items():
        run.record(f"{name}-p95", _good(found[path], path)["p95"])


def _bulk(run: Run, port: int) -> None:
    wanted = run.sizes["bulk"]
    done = _answer(run, "bulk", "--port", str(port), "--count", str(wanted))
    if done.get("done") != wanted:
        raise BenchError(f"The bulk send did not end as it should: {done}")
    run.record("bulk", done["seconds"])


def _viewers(run: Run, port: int, site: psutil.Process) -> None:
    began, before = time.monotonic(), sum(site.cpu_times()[:2])
    asked = ("--port", str(port), "--path", "/live/", "--clients", str(run.sizes["viewers"]))
    found = _good(_answer(run, "viewers", *asked, "--seconds", str(run.sizes["seconds"])), "Dashboards")
    used = sum(site.cpu_times()[:2]) - before
    run.record("viewers-p95", found["p95"])
    run.record("viewers-cpu", used / (time.monotonic() - began) * 100)
