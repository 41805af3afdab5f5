"""What keeps a bus from doing more, by samples of processors and of what the server's processes wait for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

FULL = 85.0  # percent of one processor: a process that has no more of it
ALL_FULL = 90.0  # percent of all processors
OFTEN = 0.3  # of the looks at busy server processes: what they wait for limits them
OURS = 0.5  # of what is used of all processors: less is ours where others take them
BUSY = 0.5  # of the server's processes, on the average look: what is idle most of the time waits for nothing
LEAST = 5  # samples
WAITS = {
    "write-ahead log": "the server's processes wait for the write-ahead log to be written and synced",
    "locks": "the server's processes wait for locks of each other",
    "data files": "the server's processes wait for reads and writes of data files",
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look. Percent of one processor each, ``machine`` of all. ``workers``: each worker process; ``server``: all
    processes of the server together, ``backend``: the busiest of them; None: the server is elsewhere.

    ``active``: its processes that do something for the bus; ``waits``: how many of them wait for what, by `WAITS`.
    """

    machine: float
    workers: Sequence[float]
    sender: float
    server: float | None
    backend: float | None
    active: int
    waits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """``resource`` in a word or two, and ``why`` in figures. ``shares``: means of all looks, by name, in percent;
    ``active`` is a number of processes."""

    resource: str
    why: str
    shares: Mapping[str, float]


def limit(looks: Sequence[Look], processors: int) -> Limit:
    """The resource that was used up in these looks, as far as they tell, on a machine with so many processors."""
    if len(looks) < LEAST:
        return Limit(resource="not told", why=f"there are {len(looks)} samples only", shares={})
    shares = _shares(looks)
    resource, why = next(_used_up(shares, processors), ("not told", f"nothing was used up: {_all(shares)}"))
    return Limit(resource=resource, why=why, shares=shares)


def _used_up(shares: Mapping[str, float], processors: int) -> Iterator[tuple[str, str]]:
    """What is used up, the most telling first, each with why."""
    ours = sum(shares.get(name, 0.0) for name in ("workers", "server", "sender"))
    full = shares["machine"] >= ALL_FULL
    if full and "server" in shares and ours < OURS * shares["machine"] * processors:
        yield "other programs on the machine", f"most of what is used is not ours: {_all(shares)}"
    for name, text in WAITS.items():
        if shares[name] >= 100 * OFTEN and shares["active"] >= BUSY:
            yield name, f"{text}: {shares[name]:.0f} % of those that are active"
    if shares["worker"] >= FULL:
        why = f"a worker process uses {shares['worker']:.0f} % of one processor, and more it cannot use"
        yield "processor of a worker", f"{why}; {_all(shares)}"
    if full:
        yield _largest(shares), _all(shares)
    if shares.get("backend", 0.0) >= FULL:
        why = f"one process of the server uses {shares['backend']:.0f} % of one processor"
        yield "processor of a server process", f"{why}; {_all(shares)}"


def _shares(looks: Sequence[Look]) -> dict[str, float]:
    active = sum(look.active for look in looks)
    found = {
        "machine": fmean(look.machine for look in looks),
        "workers": fmean(sum(look.workers) for look in looks),
        "worker": fmean(max(look.workers, default=0.0) for look in looks),
        "sender": fmean(look.sender for look in looks),
        "active": fmean(look.active for look in looks),
    }
    for name in ("server", "backend"):
        values = [value for look in looks if (value := getattr(look, name)) is not None]
        if values:
            found[name] = fmean(values)
    for name in WAITS:
        found[name] = 100 * sum(look.waits.get(name, 0) for look in looks) / active if active else 0.0
    return {name: round(value, 1) for name, value in found.items()}


def _largest(shares: Mapping[str, float]) -> str:
    """Whose the processors are, where all of them are full."""
    names = {"workers": "the workers", "server": "the server", "sender": "the sender"}
    largest = max(names, key=lambda name: shares.get(name, 0.0))
    return f"processors of the machine, most of all for {names[largest]}"


def _all(shares: Mapping[str, float]) -> str:
    """ "processors 97 % busy: workers 88 %, server 71 %, sender 25 % of one"."""
    each = ", ".join(f"{name} {shares[name]:.0f} %" for name in ("workers", "server", "sender") if name in shares)
    return f"processors {shares['machine']:.0f} % busy: {each} of one"
