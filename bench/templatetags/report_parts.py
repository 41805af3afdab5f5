"""Filters and tags of a run's document, on its page and in its file."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import template

from bench.report import shown as parts
from bench.report import styles
from bench.report.document import CommandVerdict, Document, Rule, RuleWord
from bench.scenarios.model import RunVerdict
from commands.rules.formatting import duration, status_style
from commands.rules.words import Status
from e2e_site.texts import cut, visible

register = template.Library()

NONE = "–"  # noqa: RUF001  # a dash for nothing measured


@register.simple_tag
def shown(document: Document) -> parts.Shown:
    """All that the templates show of it."""
    return parts.shown(document)


@register.inclusion_tag("commands/_badge.html")
def run_verdict(word: str, size: str = "") -> dict[str, Any]:
    return {"style": styles.VERDICT_STYLES[word], "label": RunVerdict.label_of(word), "size": size}


@register.inclusion_tag("commands/_badge.html")
def command_verdict(word: str, count: int | None = None) -> dict[str, Any]:
    label = CommandVerdict.label_of(word)
    return {"style": styles.COMMAND_STYLES[word], "label": label if count is None else f"{count:,} {label.lower()}"}


@register.filter
def command_verdict_label(word: str) -> str:
    return CommandVerdict.label_of(word)


@register.inclusion_tag("commands/_badge.html")
def rule_badge(rule: Rule, document: Document) -> dict[str, Any]:
    """What a rule came to; where it is broken by what the scenario names as known, that."""
    if known := rule.known_by(document.scenario):
        style = styles.COMMAND_STYLES[CommandVerdict.KNOWN]
        return {"style": style, "label": cut(visible(f"Known: {', '.join(known)}"), 40)}
    return {"style": styles.RULE_STYLES[rule.word], "label": RuleWord.label_of(rule.word)}


@register.inclusion_tag("commands/_badge.html")
def held_badge(held: bool | None) -> dict[str, Any]:
    style, label = styles.HELD_STYLES[held]
    return {"style": style, "label": label}


@register.inclusion_tag("commands/_badge.html")
def fired_badge(fired: bool | None) -> dict[str, Any]:
    style, label = styles.FIRED_STYLES[fired]
    return {"style": style, "label": label}


@register.inclusion_tag("commands/_badge.html")
def deviation_badge(word: str) -> dict[str, Any]:
    style, label = styles.DEVIATION_STYLES[word]
    return {"style": style, "label": label}


@register.inclusion_tag("bench/report/_command.html", takes_context=True)
def command_ref(context: template.Context, command_id: str) -> dict[str, Any]:
    """A command: a link to its story, or to its page where it is the site's, else its id."""
    found: parts.Shown = context["shown"]
    site = found.on_site and not context.get("standalone") and is_id(command_id)
    return {"id": command_id, "told": command_id in found.told, "site": site}


@register.inclusion_tag("commands/_badge.html")
def status_mark(status: str) -> dict[str, Any]:
    """A status of a document, which may be a word of another version."""
    return {"style": status_style(status), "label": cut(visible(Status.label_of(status)), 40)}


@register.filter
def ms(milliseconds: float | None) -> str:
    """A length of time; a dash for none. Below 10 ms with a decimal place."""
    if milliseconds is None:
        return NONE
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else duration(milliseconds)


@register.filter
def seconds_text(seconds: float | None) -> str:
    return NONE if seconds is None else duration(seconds * 1000)


@register.filter
def clock_text(moment: str) -> str:
    """An ISO moment to the second, in UTC; anything else as it stands."""
    try:
        return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return moment


@register.filter
def moment_text(seconds: float) -> str:
    """A moment of an axis, to the millisecond."""
    return f"{seconds:,.3f} s"


@register.filter
def figure(number: float) -> str:
    """ "12,345", "3.25": as many decimal places as a small number needs."""
    return f"{number:,.0f}" if abs(number) >= 100 or number == int(number) else f"{number:,.2f}"


@register.filter
def exit_text(code: Any) -> str:
    """How a process ended, by its exit code; below 0 by the signal of that number."""
    if not isinstance(code, int):
        return "not told"
    return f"by signal {-code}" if code < 0 else f"exit code {code}"


@register.filter
def is_id(text: str) -> bool:
    """Whether it can be the id of a command."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
