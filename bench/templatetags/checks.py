"""Tags of what shows checks of the invariants."""

from typing import Any

from django import template

from bench.models import BenchCheck
from bench.report.document import RuleWord
from bench.report.styles import RULE_STYLES

register = template.Library()


@register.simple_tag
def last_check(domain: str) -> BenchCheck | None:
    """The newest check of a domain: one indexed row, without its rules."""
    return BenchCheck.objects.defer("rules").newest(domain)


@register.inclusion_tag("commands/_badge.html")
def asked_rule(word: str) -> dict[str, Any]:
    """What a rule came to: icon, word, color."""
    return {"style": RULE_STYLES[word], "label": RuleWord(word).label, "size": ""}
