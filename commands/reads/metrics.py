"""The bus as Prometheus reads it: counters, gauges and histograms made of the sampler's rows, nothing counted for it.

docs/monitoring.md lists them. The label ``domain`` is the only one that grows, with the rows of ``commandbus.domain``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version

from django.db import connection
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from commands.reads.readiness import prober
from commands.rules.histogram import BUCKETS, Histogram, upper_ms
from commands.stats.totals import DomainNow, Installation, Queue, Totals, installation, newest
from e2e_site import __version__
from e2e_site.schema import pgmq

_LIBRARY = version("reliable-cmd")
READY_AS_OF_S = 10.0  # a look at the schema takes longer than all the rest here

COUNTERS: Mapping[str, tuple[str, str]] = {
    "sent": ("commandbus_commands_sent", "Commands that were sent."),
    "received": ("commandbus_attempts_received", "Attempts that began."),
    "completed": ("commandbus_commands_completed", "Commands that completed."),
    "retried": ("commandbus_attempts_retried", "Attempts that failed for a moment, so that a retry follows."),
    "parked": ("commandbus_commands_parked", "Commands that were put into the troubleshooting queue."),
    "failed": ("commandbus_commands_failed", "Commands that failed by a business rule."),
    "canceled": ("commandbus_commands_canceled", "Commands that operators canceled."),
    "late": ("commandbus_attempts_late", "Ends of attempts that came too late to count."),
}
QUEUE_GAUGES: Mapping[str, tuple[str, str]] = {
    "visible": ("commandbus_queue_visible_messages", "Messages that a worker could take now."),
    "in_flight": ("commandbus_queue_in_flight_messages", "Messages whose attempt runs."),
    "delayed": ("commandbus_queue_delayed_messages", "Messages that wait for their retry."),
    "oldest_s": (
        "commandbus_queue_oldest_seconds",
        "Age of the oldest message that a worker could take, or 0.",
    ),
    "tsq": ("commandbus_tsq_commands", "Commands in the troubleshooting queue."),
}
HISTOGRAMS: Mapping[str, tuple[str, str]] = {
    "waiting": ("commandbus_command_waiting_seconds", "From being sent to the first attempt, of every 64th command."),
    "running": ("commandbus_attempt_running_seconds", "How long attempts ran, of every 64th command."),
}
INSTALLATION_GAUGES: Mapping[str, tuple[str, str]] = {
    "version": ("commandbus_settings_version", "Version of the settings."),
    "paused": ("commandbus_paused", "1 while workers take nothing more."),
    "sampler_age_s": ("commandbus_sampler_age_seconds", "How long ago the sampler sampled last."),
    "size_bytes": ("commandbus_database_size_bytes", "Size of the database."),
    "dead_rows": ("commandbus_database_dead_rows", "Dead rows in the tables of the bus."),
}
# From 1 ms to 65 s each bucket is twice as wide as the one before, then four times: numbers of rules/histogram.py.
BOUNDS = (*range(0, 65, 4), 72, 80, 88)


class BusCollector(Collector):
    """Answers a registry with what the database says at that moment."""

    def collect(self) -> Iterator[Metric]:
        domains, now = newest(), installation()
        yield from _of_domains(domains)
        yield from _of_installation(now)
        yield _readiness()
        yield InfoMetricFamily("commandbus_build", "Versions of what runs here.", _versions(now.postgresql))


def registry() -> CollectorRegistry:
    """A registry of this collector alone: what Python's process does is not what it is about."""
    made = CollectorRegistry(auto_describe=False)
    made.register(BusCollector())
    return made


def _of_domains(domains: Sequence[DomainNow]) -> Iterator[Metric]:
    workers = GaugeMetricFamily("commandbus_workers", "Workers that are alive.", labels=["domain"])
    for each in domains:
        workers.add_metric([each.domain], each.workers)
    yield workers
    queues = [(each.domain, each.queue) for each in domains if each.queue]
    for field, (name, help_text) in QUEUE_GAUGES.items():
        yield _gauge(name, help_text, queues, field)
    totals = [(each.domain, each.totals) for each in domains if each.totals]
    for field, (name, help_text) in COUNTERS.items():
        counter = CounterMetricFamily(name, help_text, labels=["domain"])
        for domain, total in totals:
            counter.add_metric([domain], getattr(total, field))
        yield counter
    since = GaugeMetricFamily("commandbus_counted_since_seconds", "When the counters began.", labels=["domain"])
    for domain, total in totals:
        since.add_metric([domain], total.since.timestamp())
    yield since
    for field, (name, help_text) in HISTOGRAMS.items():
        yield _histogram(name, help_text, totals, field)


def _gauge(name: str, help_text: str, queues: Iterable[tuple[str, Queue]], field: str) -> Metric:
    gauge = GaugeMetricFamily(name, help_text, labels=["domain"])
    for domain, queue in queues:
        gauge.add_metric([domain], getattr(queue, field) or 0)
    return gauge


def _histogram(name: str, help_text: str, totals: Iterable[tuple[str, Totals]], field: str) -> Metric:
    family = HistogramMetricFamily(name, help_text, labels=["domain"])
    for domain, total in totals:
        counted: Histogram = getattr(total, field)
        family.add_metric([domain], list(reduced(counted)), sum_value=about_seconds(counted))
    return family


def reduced(counted: Histogram) -> Iterator[tuple[str, int]]:
    """Prometheus's buckets: an upper end in seconds, and how many were no longer; the last has no end."""
    for number in BOUNDS:
        yield str(upper_ms(number) / 1000), sum(counted.counts[: number + 1])
    yield "+Inf", counted.total


def about_seconds(counted: Histogram) -> float:
    """What they took together, each taken for the middle of its bucket: within 10 %."""
    middles = (0.5, *(2 ** ((number - 0.5) / 4) for number in range(1, BUCKETS)))
    return sum(count * middle for count, middle in zip(counted.counts, middles, strict=False)) / 1000


def _of_installation(now: Installation) -> Iterator[Metric]:
    for field, (name, help_text) in INSTALLATION_GAUGES.items():
        value = getattr(now, field)
        yield GaugeMetricFamily(name, help_text, value=None if value is None else float(value))
    written = CounterMetricFamily("commandbus_database_wal_bytes", "Bytes written to the write-ahead log.")
    if now.wal_bytes is not None:
        written.add_metric([], now.wal_bytes)
    yield written


def _readiness() -> Metric:
    family = GaugeMetricFamily("commandbus_ready", "1 where this check of /readyz is well.", labels=["check"])
    for check in prober.readiness(fresh_s=READY_AS_OF_S).checks:
        family.add_metric([check.name], 1 if check.ok else 0)
    return family


def _versions(server: str) -> dict[str, str]:
    return {
        "site": __version__,
        "library": _LIBRARY,
        "pgmq": _pgmq(),
        "postgresql": server.partition(" ")[0],
    }


@cache
def _pgmq() -> str:
    """Asked once for a process: it changes only with the schema."""
    connection.ensure_connection()
    return pgmq.status(connection.connection).version or "unknown"
