"""Filters and tags of the pages of runs."""

from typing import Any

from django import template

from bench.models import BenchRun
from bench.runs import styles

register = template.Library()

register.filter("change_text", styles.change_text)
register.filter("number_text", styles.number_text)


@register.inclusion_tag("commands/_badge.html")
def bench_badge(run: BenchRun, size: str = "") -> dict[str, Any]:
    """Where a run stands, or what it came to: icon, word, color."""
    style, label = styles.run_style(run.state, run.verdict, as_asked=run.as_asked, silent=run.silent)
    return {"style": style, "label": label, "size": size}
