"""What became of commands, in lines for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from commands.management.console import table
from commands.reads.expected import expected
from commands.reads.one_command import OneCommand
from commands.reads.sent import Ended
from commands.rules.formatting import clock, event_summary
from commands.rules.operation_text import behavior_text
from commands.rules.timeline import Event
from commands.rules.words import EventType, Status


def standing_text(standing: Mapping[Status, int]) -> str:
    """ "12 Pending, 988 Completed"."""
    return ", ".join(f"{standing[status]:,} {status.label}" for status in Status if status in standing) or "none"


def ends_lines(ends: Sequence[Ended]) -> list[str]:
    """A table of what ended how, and the ids of some that had to end otherwise."""
    rows = [
        (f"{ended.count:,}", ended.status.label, _statuses(ended.expected), behavior_text(ended.behavior.to_json()))
        for ended in ends
    ]
    lines = table(("COUNT", "ENDED AS", "EXPECTED", "BEHAVIOR"), rows)
    for ended in ends:
        lines += [f"{command_id} is {ended.status.label}." for command_id in ended.samples]
        if len(ended.samples) < ended.count and ended.samples:
            lines.append(f"… and {ended.count - len(ended.samples):,} more are.")
    return lines


def ended_json(ends: Sequence[Ended]) -> list[dict[str, Any]]:
    return [
        {
            "behavior": ended.behavior.to_json(),
            "status": ended.status,
            "count": ended.count,
            "expected": ended.expected,
            "agrees": ended.agrees,
            "samples": ended.samples,
        }
        for ended in ends
    ]


def story_lines(found: OneCommand) -> Iterator[str]:
    """One command: where it stands beside what had to become of it, what it was asked, what happened."""
    command, judged = found.command, expected(found.command, found.outcome, found.config)
    facts = {
        "Command": str(command["command_id"]),
        "Status": f"{found.status.label}, attempt {command['attempts']} of {command['max_attempts']}",
        "Expected": judged.sentence,
        judged.label: judged.agreement.reason,
        "Error": ": ".join(command[name] for name in ("last_error_code", "last_error_msg") if command[name]),
        "Behavior": behavior_text(command["behavior"]),
        "Payload": _one_line(command["payload_text"]),
        "Result": _one_line(command["result_text"]),
        "Domain": command["domain"],
        "Correlation": str(command["correlation_id"] or ""),
        "Replies": ", ".join(str(reply["outcome"]) for reply in found.replies),
    }
    width = max(map(len, facts))
    yield from (f"{name.ljust(width)}  {text}" for name, text in facts.items() if text)
    yield ""
    now, events = found.outcome.now, found.outcome.events
    rows = [(clock(event.ts, now), EventType.label_of(event.event_type), _said(event)) for event in events]
    yield from table(("AT (UTC)", "EVENT", ""), rows)


def _said(event: Event) -> str:
    return ", ".join(map(str, event_summary(event.details)))


def _one_line(text: str | None) -> str:
    return "" if text is None or text == "{}" else text


def _statuses(statuses: Sequence[Status]) -> str:
    return " or ".join(status.label for status in statuses)
