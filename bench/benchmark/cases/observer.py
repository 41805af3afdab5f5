"""What watching costs: a drain with and without a worker that samples, and the sampler's own time at a given rate."""

import time
from typing import LiteralString

import psutil

from bench.benchmark.case import Metric, Run, case
from bench.errors import BenchError
from bench.programs import MeasuredProgram
from commands.rules.words import DOMAIN
from e2e_site.programs import manage_command

UP_WITHIN_S = 30.0
# What went before is counted, and the next one samples at once.
_CAUGHT_UP: LiteralString = "SELECT commandbus.take_sample('benchmark', '10 s'), commandbus.stop_sampling('benchmark')"
_FORGET: LiteralString = "TRUNCATE public.e2e_sample, public.e2e_sampler_look"
_COMPLETED: LiteralString = (
    "SELECT coalesce(sum(completed), 0) FROM public.e2e_sample WHERE domain = %s AND width_s = 1"
)
_BACKEND: LiteralString = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sampler sample'
"""
_EVENTS: LiteralString = """
    INSERT INTO commandbus.audit (domain, command_id, event_type, ts)
    SELECT %s, command_id, event_type, clock_timestamp() + after
    FROM (SELECT gen_random_uuid() AS command_id FROM generate_series(1, %s) OFFSET 0) c
    CROSS JOIN (
        VALUES ('SENT', interval '0'), ('RECEIVED', interval '7 ms'), ('COMPLETED', interval '9 ms')
    ) e (event_type, after)
"""


@case(
    "observer",
    "What watching costs",
    sizes={"commands": 80_000, "rate": 5_000, "seconds": 20},
    quick={"commands": 10_000, "seconds": 5},
    metrics={
        "without": Metric(label="drain, nobody samples", unit="commands/s"),
        "with": Metric(label="drain, the worker samples", unit="commands/s"),
        "processor": Metric(
            label="events of 5,000 commands/s: the sampler's share of one processor", unit="%", digits=2
        ),
    },
    seconds=50,
)
def observer(run: Run) -> None:
    """In turns, every second round the other way round. The share is that of the server's process for the sampler."""
    for number in range(run.rounds):
        for samples in (True, False) if number % 2 else (False, True):
            run.record("with" if samples else "without", _drain(run, samples=samples))
        _processor(run)


def _drain(run: Run, *, samples: bool) -> float:
    """A full drain's rate; BenchError where the samples do not have each of its commands once."""
    count = run.sizes["commands"]
    since = run.testbed.fresh(count)
    run.testbed.conn.execute(_FORGET)
    run.testbed.value(_CAUGHT_UP)
    drained = run.testbed.drain(count, since=since, samples=samples)
    if samples:
        run.testbed.value(_CAUGHT_UP)  # a worker that had little to do ended before its turn came
    counted = run.testbed.value(_COMPLETED, [DOMAIN])
    if counted != (count if samples else 0):
        raise BenchError(f"The samples have {counted:,} of {count:,} commands.")
    return drained.rate


def _processor(run: Run) -> None:
    """Events as of so many commands a second, beside a sampler; nothing is recorded where the server is elsewhere."""
    run.testbed.fresh(1000)
    with MeasuredProgram(manage_command("sampler"), run.testbed.database.environment()) as program:
        try:
            backend = psutil.Process(_backend(run, program))
        except psutil.Error:
            run.note("processor", "The server is on another machine: its processes are not seen")
            return
        began, before = time.monotonic(), _seconds_of(backend)
        for second in range(run.sizes["seconds"]):
            run.testbed.conn.execute(_EVENTS, [DOMAIN, run.sizes["rate"]])
            program.check_running()
            time.sleep(max(0.0, began + second + 1 - time.monotonic()))
        spent, lasted = _seconds_of(backend) - before, time.monotonic() - began
        program.stop()
    run.record("processor", spent / lasted * 100)


def _backend(run: Run, program: MeasuredProgram) -> int:
    """The server's process for the connection by which it samples."""
    deadline = time.monotonic() + UP_WITHIN_S
    while (pid := run.testbed.value(_BACKEND)) is None:
        program.check_running()
        if time.monotonic() > deadline:
            raise BenchError(f"The sampler did not begin within {UP_WITHIN_S:.0f} s.")
        time.sleep(0.1)
    return int(pid)


def _seconds_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
