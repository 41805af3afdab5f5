"""Tables of what was measured, as Markdown for the docs and as text for a terminal. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from tabulate import tabulate

from bench.benchmark.case import Metric
from bench.benchmark.results import Result
from bench.benchmark.verdicts import Verdict
from bench.figures import Figure

# What a visit to a page costs: value, head of its column, digits after the point.
PAGE_COSTS = {
    "median": ("Median, ms", 1),
    "p95": ("p95, ms", 1),
    "queries": ("Queries", 0),
    "statement": ("Slowest statement, ms", 1),
}
_TARGET_HEAD = ("Target", "Measured", "Spread", "Limit", "Verdict")


def metric_table(result: Result, metrics: Mapping[str, Metric]) -> list[list[str]]:
    """A row for each metric that was measured, under a head: what, median, spread, number, processors."""
    rows = [["", "Median", "Lowest to highest", "Values", "Processors busy"]]
    for name, metric in metrics.items():
        if values := result.values.get(name):
            figure = Figure.of(values)
            busy = result.values.get(f"{name}:busy")
            rows.append(
                [
                    metric.label,
                    _with_unit(metric, figure.median),
                    f"{_number(metric, figure.low)} to {_number(metric, figure.high)}" if figure.count > 1 else "",
                    f"{figure.count}",
                    f"{median(busy):.0f} %" if busy else "",
                ]
            )
    return [row[:-1] for row in rows] if not any(row[-1] for row in rows[1:]) else rows


def page_value(page: str, cost: str) -> str:
    """The name under which a result keeps what visits to a page cost."""
    return f"page:{page}:{cost}"


def page_table(result: Result) -> list[list[str]]:
    """A row for each page that was visited, under a head; nothing where none was."""
    pages = [name.split(":")[1] for name in result.values if name.startswith("page:") and name.endswith(":median")]
    rows = [
        [page, *(f"{result.values[page_value(page, cost)][0]:,.{digits}f}" for cost, (_, digits) in PAGE_COSTS.items())]
        for page in pages
    ]
    return [["Page", *(head for head, _ in PAGE_COSTS.values())], *rows] if rows else []


def verdict_table(verdicts: Iterable[Verdict]) -> list[list[str]]:
    """A row for each verdict, under a head."""
    return [list(_TARGET_HEAD), *map(_verdict_row, verdicts)]


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, for a terminal."""
    return tabulate(rows, "firstrow", "plain", disable_numparse=True)


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """The first row is the head; numbers, all but the first column, stand right."""
    sides = ["left", *("right" for _ in rows[0][1:])]
    return tabulate(rows, "firstrow", "pipe", disable_numparse=True, colalign=sides)


def _verdict_row(verdict: Verdict) -> list[str]:
    target, figure = verdict.target, verdict.figure
    limit = f"{target.side} {target.limit:,g} {target.unit}".strip()
    return [
        target.text,
        target.shown(figure.median) if figure else "",
        f"{target.shown(figure.low)} to {target.shown(figure.high)}" if figure and figure.count > 1 else "",
        f"{limit} ({target.remark})" if target.remark else limit,
        f"{verdict.word}: {verdict.because}" if verdict.because else f"{verdict.word}",
    ]


def _with_unit(metric: Metric, value: float) -> str:
    return f"{_number(metric, value)} {metric.unit}".strip()


def _number(metric: Metric, value: float) -> str:
    return f"{value:,.{metric.digits}f}"
