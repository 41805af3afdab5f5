"""Filters and tags of the pages: `formatting` and the words of `statuses`, for templates."""

from datetime import datetime
from typing import Any

from django import template
from django.forms import BoundField
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from commands.rules import formatting
from commands.rules.words import EventType, Status
from settings_app.values import shown

register = template.Library()

register.filter("pretty_json", formatting.pretty_json)
register.filter("duration", formatting.duration)
register.filter("event_summary", formatting.event_summary)
register.filter("error_text", formatting.error_text)
register.filter("setting", shown)


@register.inclusion_tag("commands/_badge.html")
def status_badge(status: str, size: str = "") -> dict[str, Any]:
    """A status: icon, word, colour."""
    return {"style": formatting.status_style(status), "label": Status.label_of(status), "size": size}


@register.inclusion_tag("commands/_badge.html")
def event_badge(event_type: str) -> dict[str, Any]:
    """An event: icon, word, colour."""
    return {"style": formatting.event_style(event_type), "label": EventType.label_of(event_type), "size": ""}


@register.filter
def status_label(status: str) -> str:
    return Status.label_of(status)


@register.filter
def status_style(status: str) -> formatting.Style:
    return formatting.status_style(status)


@register.filter
def event_label(event_type: str) -> str:
    return EventType.label_of(event_type)


@register.filter
def lower_first(text: str) -> str:
    """ "Moved to TSQ" as "moved to TSQ"."""
    return text[:1].lower() + text[1:]


@register.filter
def event_style(event_type: str) -> formatting.Style:
    return formatting.event_style(event_type)


@register.simple_tag
def ago(moment: datetime) -> SafeString:
    """A moment as "3 s ago"; the exact one on hover. times.js goes on counting in the browser."""
    seconds = (timezone.now() - moment).total_seconds()
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC",
        formatting.relative(seconds),
    )


@register.simple_tag
def clock(moment: datetime) -> SafeString:
    """The time of day of a moment to the millisecond, in UTC; the date on hover."""
    return format_html(
        '<time datetime="{}" title="{}" class="num">{}</time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC",
        f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}",
    )


@register.filter
def applies_to(attributes: dict[str, Any]) -> str:
    """The behavior types that take a field, separated by spaces; empty where all do."""
    return str(attributes.get("data-applies-to", ""))


@register.filter
def join_words(words: str) -> str:
    """ "a b" as "a, b"."""
    return ", ".join(words.split())


@register.filter
def as_input(field: BoundField) -> SafeString:
    """A form field's control in our clothes. Django itself ties it to its errors and its help text."""
    return field.as_widget(attrs={"class": "input"})
