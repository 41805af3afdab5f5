"""Filters and tags of the pages of load tests."""

from typing import Any

from django import template

from bench.loadtest import report, styles
from bench.models import LoadRun

register = template.Library()

register.filter("attempts_text", report.attempts_text)
register.filter("expected_attempts_text", report.expected_attempts_text)


@register.inclusion_tag("commands/_badge.html")
def run_badge(run: LoadRun, size: str = "") -> dict[str, Any]:
    """The state of a run: icon, word, colour."""
    style, label = styles.state_style(run.state, as_expected=run.as_expected, silent=run.silent)
    return {"style": style, "label": label, "size": size}


@register.filter
def whole(number: float | None) -> str:
    """ "12,345", or a dash for nothing."""
    return "–" if number is None else f"{number:,.0f}"  # noqa: RUF001  # a dash for nothing measured


@register.filter
def rate(number: float) -> str:
    """ "1,000", "0.5": as many decimal places as were asked for."""
    return f"{number:,.1f}".removesuffix(".0")


@register.filter
def mix_text(options: dict[str, Any]) -> str:
    """ "success 90, fail_permanent 10"; of a single behavior its name."""
    mix = options["mix"]
    return next(iter(mix)) if len(mix) == 1 else ", ".join(f"{name} {weight:g}" for name, weight in mix.items())
