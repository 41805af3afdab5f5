"""One command as the database tells of it: where it stands, its story, its message, its replies."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import Http404

from commands.reads import queries
from commands.rules import timeline
from commands.rules.agreement import Outcome
from commands.rules.formatting import number
from commands.rules.redaction import Redactor
from commands.rules.words import EventType, Status
from e2e_site.named_sql import Row
from settings_app.models import Configuration


@dataclass(frozen=True, kw_only=True)
class OneCommand:
    """What the database says of one command. ``story`` is newest first; ``command`` a row of `queries.command`."""

    command: Row
    config: Configuration
    message: Row | None
    replies: list[Row]
    story: list[timeline.Entry]
    outcome: Outcome

    @property
    def status(self) -> Status:
        return self.outcome.status

    @property
    def waiting(self) -> bool:
        """It failed and waits for its next attempt."""
        events = self.outcome.events
        return not self.status.is_final and bool(events) and events[-1].event_type == EventType.FAILED


def read(command_id: UUID, redactor: Redactor | None = None) -> OneCommand:
    """As its viewer may see it, whom a ``redactor`` stands for. Raises Http404."""
    command = queries.command(command_id)
    if command is None:
        raise unknown(command_id)
    redactor = redactor or Redactor(frozenset())
    domain, now, status = command["domain"], command["now"], Status(command["status"])
    config = Configuration.load()
    events = [_event(event, redactor) for event in queries.events(command_id, domain)]
    work = _work(command["behavior"])
    story = timeline.build(events, work=work)
    attempts = timeline.attempts(story)[::-1]
    _name_workers(attempts)
    awaited = timeline.await_ends(story, now=now, changed=command["updated_at"], work=work)
    replies = queries.replies(command_id, domain) if status.is_final and command["reply_queue"] else []
    told = [reply["outcome"] or "" for reply in replies]
    for reply in replies:
        reply["text"] = redactor.text(reply["text"], most=queries.JSON_SHOWN)
    return OneCommand(
        command=_command(command, redactor),
        config=config,
        message=queries.message(domain, command["msg_id"]),
        replies=replies,
        story=story,
        outcome=Outcome(status=status, events=events, attempts=attempts, now=now, replies=told, awaited=awaited),
    )


def _event(event: timeline.Event, redactor: Redactor) -> timeline.Event:
    texts = {name: redactor.under(name, text, most=queries.DETAIL_SHOWN) for name, text in event.texts.items()}
    return replace(event, details=redactor.details(event.details), texts=texts)


def _command(command: Row, redactor: Redactor) -> Row:
    """With its JSON texts redacted, and ``asked_hidden``: some of what was asked is left out."""
    found, before = {**command}, redactor.hidden
    for name in ("behavior", "payload", "result"):
        if name == "result":
            found["asked_hidden"] = redactor.hidden > before
        if (text := command[f"{name}_text"]) is not None:
            found[f"{name}_text"] = redactor.under(name, text, most=queries.JSON_SHOWN)
    return found


def unknown(command_id: UUID) -> Http404:
    return Http404(f"No command has the id {command_id}.")


def _work(behavior: Any) -> timedelta | None:
    """How long each attempt works, where its behavior says so."""
    known = behavior if isinstance(behavior, dict) else {}
    milliseconds = number(known.get("execution_time_ms", 0 if known else None))
    return None if milliseconds is None else timedelta(milliseconds=milliseconds)


def _name_workers(attempts: list[timeline.Attempt]) -> None:
    named = {attempt.worker_id for attempt in attempts if attempt.worker_id}
    workers = queries.workers_seen(named) if named else {}
    for attempt in attempts:
        attempt.worker = workers.get(attempt.worker_id)
