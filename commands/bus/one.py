"""Sending one command with as little as it takes: one statement, one round trip. Under a known id, once.

Asked ─► commandbus.send_commands ─► Sent
           └─ its id is known ─► compared: the same again, or another under the same id
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.db import IntegrityError, connection, transaction

from commands.bus.bulk import SEND, NewCommand
from commands.bus.conflicts import trying_again
from commands.rules.payload import payload_text
from commands.rules.words import COMMAND_TYPE, DOMAIN, reply_queue
from e2e_site.named_sql import NamedSql

if TYPE_CHECKING:
    from uuid import UUID

    from commands.rules.behaviors import Behavior

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One command to be sent. None: a new id; a new correlation id; as many attempts as the sender's settings say."""

    behavior: Behavior
    payload: dict[str, Any]
    reply: bool = True
    command_id: UUID | None = None
    correlation_id: UUID | None = None
    max_attempts: int | None = None
    domain: str = DOMAIN


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What was sent; ``again``: it had been before, with the same content."""

    command_id: UUID
    domain: str
    correlation_id: UUID | None
    max_attempts: int
    reply: bool
    again: bool = False


class OtherContentError(Exception):
    """The command id is that of another command; ``fields`` are those of `Asked` that differ, as far as they are known.

    What was left to be chosen (None) differs from nothing.
    """

    def __init__(self, command_id: UUID, fields: list[str]) -> None:
        super().__init__(f"There is a command {command_id} already.")
        self.command_id = command_id
        self.fields = fields


def send_one(asked: Asked, *, max_attempts: int) -> Sent:
    """Send it in the caller's transaction, or in one of its own. ``max_attempts``: where it names none.

    Raises PayloadError for a payload that cannot be stored, `OtherContentError` for a known id (the caller's
    transaction survives it), and SendConflictError where the database gave way to another transaction (`trying_again`).
    """
    given = {} if asked.command_id is None else {"command_id": asked.command_id}
    command = NewCommand(behavior=asked.behavior, payload=asked.payload, **given)
    sent = Sent(
        command_id=command.command_id,
        domain=asked.domain,
        correlation_id=asked.correlation_id or uuid4(),
        max_attempts=asked.max_attempts or max_attempts,
        reply=asked.reply,
    )
    queue = reply_queue(sent.domain) if sent.reply else ""
    body = f"[{command.to_json()}]"
    values = (sent.domain, COMMAND_TYPE, body, sent.max_attempts, queue, sent.correlation_id)
    try:
        trying_again(lambda: _send(values), whole_transaction=connection.get_autocommit())
    except IntegrityError:
        return _known(asked, sent)
    return sent


def _send(values: tuple[Any, ...]) -> None:
    part = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with part, connection.cursor() as cursor:
        cursor.execute(SEND, values)


def _known(asked: Asked, sent: Sent) -> Sent:
    """What was sent before under this id, where it is the same. Of two who send it at once, the second comes here."""
    found = _SQL.rows(
        "compared",
        command_id=sent.command_id,
        behavior=_json(asked.behavior),
        payload=payload_text(asked.payload),
    )
    if not found:  # gone since, or of a row of test_command alone
        raise OtherContentError(sent.command_id, [])
    row = found[0]
    same = {
        "domain": row["domain"] == asked.domain,
        "behavior": row["same_behavior"],
        "payload": row["same_payload"],
        "reply": row["reply"] == asked.reply,
        "max_attempts": asked.max_attempts in (None, row["max_attempts"]),
        "correlation_id": asked.correlation_id in (None, row["correlation_id"]),
    }
    if differing := [name for name, is_same in same.items() if not is_same]:
        raise OtherContentError(sent.command_id, differing)
    return Sent(
        command_id=sent.command_id,
        domain=row["domain"],
        correlation_id=row["correlation_id"],
        max_attempts=row["max_attempts"],
        reply=row["reply"],
        again=True,
    )


def _json(behavior: Behavior) -> str:
    return payload_text(behavior.to_json())
