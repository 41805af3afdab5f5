"""A load test's summary as text for a terminal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from commands.rules.formatting import duration
from commands.rules.words import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Json = dict[str, Any]

LATENCIES = {"pickup": "pickup", "end_to_end": "end to end", "send_delay": "send delay"}
FIGURES = ("p50", "p95", "p99", "max")
STATUS_WORDS: Mapping[str, str] = {
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELED: "canceled",
    Status.IN_TROUBLESHOOTING_QUEUE: "in TSQ",
    Status.PENDING: "pending",
    Status.IN_PROGRESS: "in progress",
}


def text(document: Json) -> str:
    """The whole summary; of a run that measured nothing, its first lines."""
    lines = [
        f"Load test {document['run']} {document['state']}: {document['verdict']}",
        workers_line(document["options"]),
    ]
    if "accounting" not in document:
        return "\n".join(lines)
    lines += ["", f"Commands   {accounting_line(document['accounting'])}", rates_line(document["rates"])]
    generator = document["generator"]
    if generator and generator["limited"]:
        lines.append(f"           GENERATOR-LIMITED, so no measure of the bus: {generator['rule']}")
    lines += ["", *latency_lines(document["latency_ms"])]
    lines += ["", *behavior_lines(document["behaviors"]), "", cost_line(document)]
    return "\n".join(lines)


def workers_line(options: Json) -> str:
    """The workers, and which of their settings came from where."""

    def figure(name: str, key: str, words: str) -> str:
        return f"{words} {options[key]}{' (setting)' if name in options['from_settings'] else ''}"

    return (
        f"Workers    {options['workers']} with "
        + ", ".join(
            (
                figure("concurrency", "concurrency", "concurrency"),
                figure("batch_size", "batch_size", "batch"),
                f"{figure('lease', 'lease_s', 'lease')} s",
            )
        )
        + f"; seed {options['seed']}"
    )


def accounting_line(account: Json) -> str:
    """ "10,000 sent = 9,000 completed + 1,000 in TSQ + 0 left + 0 lost"."""
    parts = [f"{account['completed']:,} completed"]
    for key, words in (("failed", "failed"), ("canceled", "canceled"), ("in_tsq", "in TSQ")):
        if account[key]:
            parts.append(f"{account[key]:,} {words}")
    parts += [f"{account['left']:,} left", f"{account['lost']:,} lost"]
    unsent = account["asked"] - account["sent"]
    return f"{account['sent']:,} sent = {' + '.join(parts)}" + (f"; {unsent:,} not sent" if unsent > 0 else "")


def rates_line(rates: Json) -> str:
    figures = [f"sent {_per_second(rates['sending_per_s'])}"]
    if rates["asked_per_s"]:
        figures.append(f"asked {_per_second(rates['asked_per_s'])}")
    figures.append(f"processed {_per_second(rates['processing_per_s'])}")
    figures.append(f"middle 80 % {_per_second(rates['middle_per_s'])}")
    return f"Rates      {', '.join(figures)}"


def latency_lines(latencies: Json) -> list[str]:
    """A table: one line per kind of latency."""
    rows = [
        [words, f"{found['n']:,}", *(duration(found[key]) for key in FIGURES)]
        for name, words in LATENCIES.items()
        if (found := latencies.get(name))
    ]
    return _table(["Latency", "n", *FIGURES], rows, right=range(1, 2 + len(FIGURES)))


def behavior_lines(behaviors: list[Json]) -> list[str]:
    """A table: expected and actual, one line per behavior."""
    rows = []
    for row in behaviors:
        words = " or ".join(STATUS_WORDS[status] for status in row["expected"])
        expected = f"{words}; {expected_attempts_text(row['expected_attempts'])}"
        actual = ", ".join(f"{number:,} {STATUS_WORDS[status]}" for status, number in sorted(row["statuses"].items()))
        mark = f"  !! {row['unexpected']:,} otherwise" if row["unexpected"] else ""
        rows.append([row["behavior"], f"{row['sent']:,}", expected, f"{actual or 'none'}; {attempts_text(row)}{mark}"])
    return _table(["Behavior", "sent", "expected", "actual"], rows, right=[1])


def expected_attempts_text(attempts: list[int]) -> str:
    """ "attempts 2", "attempts 1 to 3"."""
    fewest, most = attempts
    return f"attempts {fewest}" if fewest == most else f"attempts {fewest} to {most}"


def attempts_text(row: Json) -> str:
    """ "attempts 1", or how many commands took how many: "attempts 1: 90, 2: 10"."""
    attempts = sorted((int(number), commands) for number, commands in row["attempts"].items())
    if len(attempts) == 1:
        return f"attempts {attempts[0][0]}"
    return "attempts " + (", ".join(f"{number}: {commands:,}" for number, commands in attempts) or "none")


def cost_line(document: Json) -> str:
    cost = document["cost"]
    if cost["wal_bytes_per_command"] is None:
        return "Cost       nothing ended"
    wal, transactions = cost["wal_bytes_per_command"], cost["transactions_per_command"]
    return f"Cost       {wal:,.0f} bytes of WAL and {transactions:.3f} transactions per command, the whole server's"


def _table(head: list[str], rows: list[list[str]], *, right: Collection[int]) -> list[str]:
    """Lines of columns side by side; those at ``right`` end at one place, the others begin at one."""
    sides = ["right" if place in right else "left" for place in range(len(head))]
    return tabulate(rows, head, "plain", disable_numparse=True, colalign=sides if rows else None).splitlines()


def _per_second(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}/s" if value >= 10 else f"{value:.1f}/s"  # noqa: RUF001
