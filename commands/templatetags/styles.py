"""Filters and tags of the pages: `formatting` and the words of `statuses`, for templates."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django import template
from django.forms import BoundField
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from commands.rules import formatting, operation_text
from commands.rules.timeline import Event
from commands.rules.words import EventType, OperationState, Status
from e2e_site.templatetags.site import outside
from e2e_site.texts import cut, visible
from e2e_site.times import Times, times_of
from settings_app.values import shown

SUMMARY_SHOWN = 300  # characters of what came from outside, in a list of events
FOLDED_FROM = 500  # characters: a text that is longer is folded
JSON_FOLDED_FROM = 2000
LONG_DETAILS = {
    "old_behavior": "Behavior before",
    "behavior": "Behavior from then on",
    "old_payload": "Payload before",
    "payload": "Payload from then on",
    "result_data": "Result that was given",
    "error_details": "Details of the error",
}

register = template.Library()

register.filter("pretty_json", formatting.pretty_json)
register.filter("duration", formatting.duration)
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


@register.inclusion_tag("commands/_badge.html")
def operation_badge(state: str, size: str = "") -> dict[str, Any]:
    """Where an operation stands: icon, word, colour."""
    return {"style": operation_text.STYLES[state], "label": OperationState.label_of(state), "size": size}


@register.inclusion_tag("commands/_badge.html")
def outcome_badge(outcome: str | None) -> dict[str, Any]:
    """What a reply says: icon, word, colour. The word may come from outside."""
    label = outside(cut(outcome, 60).capitalize()) if outcome else "no outcome"
    return {"style": formatting.outcome_style(outcome or ""), "label": label, "size": ""}


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


@register.filter
def event_summary(details: Any) -> SafeString:
    """The particulars of an event in one line, what came from outside set apart in it."""
    parts = formatting.event_summary(details)
    shown = [(part.word, outside(cut(part.outside, SUMMARY_SHOWN)) if part.outside else "") for part in parts]
    return format_html_join(", ", "{}{}", shown)


@register.filter
def event_tooltip(details: Any) -> str:
    """The same without markup."""
    return ", ".join(visible(cut(str(part), SUMMARY_SHOWN)) for part in formatting.event_summary(details))


@register.filter
def operation_of(details: Any) -> int | None:
    """The number of the operation that an event was part of."""
    found = formatting.number(details.get("operation")) if isinstance(details, dict) else None
    return int(found) if found is not None and found > 0 else None


@dataclass(frozen=True, kw_only=True)
class LongDetail:
    """One of an event's `texts`: its ``title``, and ids of its own in the page."""

    title: str
    text: str
    key: str

    @property
    def label(self) -> str:
        return f"{self.key}-title"


@register.filter
def long_details(event: Event) -> list[LongDetail]:
    """The details of an event that may be long: what an operator changed, before and after; what an error brought."""
    return [
        LongDetail(title=title, text=event.texts[name], key=f"event-{event.audit_id}-{name}")
        for name, title in LONG_DETAILS.items()
        if name in event.texts
    ]


@register.inclusion_tag("commands/_text.html")
def outside_text(text: object, key: str) -> dict[str, Any]:
    """A text from outside of any length: a long one is folded. ``key`` is an id of its own in the page."""
    return _foldable(str(text), FOLDED_FROM, key=key)


@register.inclusion_tag("commands/_json.html")
def stored_json(text: str, key: str, title: str) -> dict[str, Any]:
    """Stored JSON for reading and copying; a long one is folded. ``title`` is the id of what says what it is."""
    pretty = formatting.pretty_json(text)
    return {**_foldable(pretty, JSON_FOLDED_FROM, key=key), "title": title}


def _foldable(text: str, folded_from: int, *, key: str) -> dict[str, Any]:
    return {"text": text, "key": key, "length": f"{len(text):,}", "folded": len(text) > folded_from}


@register.simple_tag(takes_context=True)
def ago(context: template.Context, moment: datetime) -> SafeString:
    """A moment that is past as "3 s ago", the exact one on hover. times.js goes on counting in the browser.

    The page's ``now`` is the clock of the database, which wrote the moment too. Who asked for other times than relative
    ones gets a clock.
    """
    if times_of(context.get("request")) != Times.RELATIVE:
        return _clock(moment, context["now"])
    return _relative(moment, formatting.since((context["now"] - moment).total_seconds()), "past")


@register.simple_tag(takes_context=True)
def until(context: template.Context, moment: datetime) -> SafeString:
    """A moment to come as "in 3 s", as `ago`; "now" from then on."""
    if times_of(context.get("request")) != Times.RELATIVE:
        return _clock(moment, context["now"])
    return _relative(moment, formatting.until((moment - context["now"]).total_seconds()), "future")


def _relative(moment: datetime, text: str, side: str) -> SafeString:
    return format_html(
        '<time datetime="{}" data-at="{} UTC" title="{} UTC" data-relative="{}">{}</time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S}",
        f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}",
        side,
        text,
    )


@register.simple_tag(takes_context=True)
def clock(context: template.Context, moment: datetime) -> SafeString:
    """The time of day of a moment to the millisecond, in UTC; with the date where it is not today's."""
    return _clock(moment, context["now"])


@register.simple_tag(takes_context=True)
def span(context: template.Context, start: datetime, end: datetime | Literal[""] | None) -> SafeString:
    """From when to when, as two clocks; no date stands in both. Without an end its start alone."""
    if not end:
        return _clock(start, context["now"])
    return format_html("<span>{} – {}</span>", _clock(start, context["now"]), _clock(end, start))  # noqa: RUF001  # a dash


def _clock(moment: datetime, beside: datetime) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{} UTC" class="num">{}</time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S.%f}",
        formatting.clock(moment, beside),
    )


@register.filter
def short_id(command_id: object) -> str:
    """The beginning and the end of an id: those of one time begin alike."""
    text = str(command_id)
    return f"{text[:8]}…{text[-6:]}"


@register.filter
def grouped(number: int) -> str:
    """ "12,480"."""
    return f"{number:,}"


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
