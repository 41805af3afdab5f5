"""docs/performance.md: its tables between markers, and its charts, both made from results without measuring.

``<!-- benchmark: drain -->`` … ``<!-- /benchmark -->`` holds what was measured by that case, ``check`` the verdicts
and ``machine`` where it was measured. What stands between is replaced; the rest of the page is written by hand.
"""

import re
from pathlib import Path

from django.template.loader import render_to_string

from bench.benchmark.cases import CASES
from bench.benchmark.drawings import CHARTS
from bench.benchmark.results import Result, Results, ResultsError
from bench.benchmark.tables import as_markdown, metric_table, page_table, verdict_table
from bench.benchmark.targets import TARGETS, decidable
from bench.benchmark.verdicts import judge_all

PAGE = "performance.md"
IMAGES = "images"
COMMAND = "manage.py benchmark"
LATEST = "bench/results/latest.json"
_BLOCK = re.compile(r"(<!-- benchmark: (\w+) -->\n).*?(<!-- /benchmark -->)", re.DOTALL)


def write_docs(results: Results, docs: Path) -> list[Path]:
    """Put the results into ``docs/performance.md`` and draw its charts; the files written. Raises ResultsError."""
    page = docs / PAGE
    text = page.read_text("utf-8")
    written = [page]
    for name, draw in CHARTS.items():
        if name in results:
            written.append(chart_file(docs, name))
            written[-1].parent.mkdir(exist_ok=True)
            written[-1].write_text(render_to_string("charts/chart.svg", {"chart": draw(results[name])}), "utf-8")
    page.write_text(_BLOCK.sub(lambda found: f"{found[1]}{_block(found[2], results)}\n{found[3]}", text), "utf-8")
    return written


def chart_file(docs: Path, case: str) -> Path:
    return docs / IMAGES / f"performance-{case}.svg"


def _block(name: str, results: Results) -> str:
    if name == "check":
        return as_markdown(verdict_table(judge_all(decidable(results) or TARGETS, results)))
    if name == "machine":
        return _machine(results)
    if name not in CASES:
        raise ResultsError(f"{PAGE} asks for {name}, which is no case; there are {', '.join(CASES)}.")
    if name not in results:
        return "Not measured yet."
    return "\n\n".join(_case(results[name]))


def _case(result: Result) -> list[str]:
    case = CASES[result.case]
    parts = [as_markdown(table) for table in (metric_table(result, case.metrics), page_table(result)) if table]
    parts.append(_how(result))
    if result.case in CHARTS:
        parts.insert(0, f"![{case.title}]({IMAGES}/performance-{result.case}.svg)")
    return parts


def _how(result: Result) -> str:
    sizes = ", ".join(f"{name} {size:,}" for name, size in result.sizes.items())
    said = [f"Measured {result.measured_at[:10]}; sizes: {sizes}."]
    if result.quick:
        said.insert(0, "**A quick run: figures to look at, not to decide by.**")
    said += [f"{note}." for note in result.notes.values()]
    said.append(f"Again: `{COMMAND} {result.case} --json {LATEST}`, then `{COMMAND} --write-docs`.")
    return " ".join(said)


def _machine(results: Results) -> str:
    """Where the newest of the results was measured."""
    if not results:
        return "Not measured yet."
    newest = max(results.values(), key=lambda result: result.measured_at)
    about = newest.environment
    durability = ", ".join(f"`{name}={value}`" for name, value in about["durability"].items())
    anchors = {"fdatasync of one block": about["fdatasync_ms"], "`select 1`": about["select_1_ms"]}
    took = "; ".join(f"{what} {p50[0]:.2f} ms (p99 {p50[1]:.2f})" for what, p50 in anchors.items() if p50)
    pace = f" (a UUID from its text takes {about['python_us']:.2f} µs)" if "python_us" in about else ""
    return (
        f"PostgreSQL {about['server']} ({durability}) and Python {about['python']}{pace} on the same machine: "
        f"{about['system']}, {about['processors']} processors, {about['memory_gb']} GB. {took}. Load before: "
        f"{about['load_before']}. The ceiling is measured by pgbench."
    )
