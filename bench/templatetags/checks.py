"""Tags of what shows checks of the invariants."""

from typing import Any

from django import template

from bench.models import BenchCheck
from bench.report.document import RuleWord
from bench.scenarios.model import RunVerdict
from commands.rules.formatting import Style

_VERDICTS = {
    RunVerdict.PASS: Style("check", "cyan"),
    RunVerdict.FAIL: Style("alert", "rose"),
    RunVerdict.UNKNOWN: Style("clock", "orange"),
}
_RULES = {
    RuleWord.HOLDS: Style("check", "cyan"),
    RuleWord.BROKEN: Style("alert", "rose"),
    RuleWord.UNKNOWN: Style("clock", "orange"),
    RuleWord.NOT_ASKED: Style("ban", "slate"),
}

register = template.Library()


@register.simple_tag
def last_check(domain: str) -> BenchCheck | None:
    """The newest check of a domain: one indexed row, without its rules."""
    return BenchCheck.objects.defer("rules").newest(domain)


@register.inclusion_tag("commands/_badge.html")
def verdict_badge(verdict: str, size: str = "") -> dict[str, Any]:
    """A verdict: icon, word, color."""
    word = RunVerdict(verdict)
    return {"style": _VERDICTS[word], "label": word.label, "size": size}


@register.inclusion_tag("commands/_badge.html")
def rule_badge(word: str) -> dict[str, Any]:
    """What a rule came to: icon, word, color."""
    return {"style": _RULES[RuleWord(word)], "label": RuleWord(word).label, "size": ""}
