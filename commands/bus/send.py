"""Sending: the ``test_command`` row and the bus message commit or roll back together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from commandbus import DuplicateCommandError
from commandbus.sync import SyncCommandBus
from django.db import IntegrityError, connection, transaction
from psycopg import sql
from psycopg.errors import UniqueViolation
from uuid_utils.compat import uuid7

from commands.bus.conflicts import trying_again
from commands.models import TestCommand
from commands.rules.payload import holds_exact_numbers, payload_text
from commands.rules.words import COMMAND_TYPE, DOMAIN, command_queue, queue_table, reply_queue
from settings_app.models import Configuration

if TYPE_CHECKING:
    from commands.rules.behaviors import Behavior

__all__ = ["DuplicateCommandError", "send_test_command"]  # the library is imported here and not by callers

SET_DATA = sql.SQL("UPDATE {} SET message = jsonb_set(message, '{{data}}', %s::jsonb) WHERE msg_id = %s")


def send_test_command(
    behavior: Behavior,
    *,
    payload: dict[str, Any] | None = None,
    reply: bool = True,
    max_attempts: int | None = None,
    correlation_id: UUID | None = None,
    command_id: UUID | None = None,
) -> TestCommand:
    """Send one test command in the caller's transaction, or in one of its own; returns its row.

    ``max_attempts`` is copied from the settings unless it is given, so a later change of them does not touch this
    command. ``reply`` asks for a reply. ``correlation_id`` is a new one unless it is given. Raises the library's
    ``DuplicateCommandError`` for a known ``command_id``, and SendConflictError where the database gave way to another
    transaction (`trying_again`).
    """
    new_id = command_id or uuid7()
    try:
        return trying_again(
            lambda: _send(
                new_id,
                behavior,
                payload or {},
                reply=reply,
                max_attempts=max_attempts,
                correlation_id=correlation_id,
            ),
            whole_transaction=connection.get_autocommit(),
        )
    except (IntegrityError, UniqueViolation) as exc:
        # The library looks first and inserts then: of two sends at the same time, the second meets the constraint.
        raise DuplicateCommandError(DOMAIN, str(new_id)) from exc


def _send(
    command_id: UUID,
    behavior: Behavior,
    payload: dict[str, Any],
    *,
    reply: bool,
    max_attempts: int | None,
    correlation_id: UUID | None,
) -> TestCommand:
    # The command first and its row then, as commandbus.send_commands does: in one order nobody waits in a circle.
    with transaction.atomic():
        # The library would round these numbers, so they are put into its message afterwards.
        exact = holds_exact_numbers(payload)
        sent = SyncCommandBus(pool=None).send(  # type: ignore[arg-type]  # not needed with `conn`
            domain=DOMAIN,
            command_type=COMMAND_TYPE,
            command_id=command_id,
            data={} if exact else payload,
            correlation_id=correlation_id,
            reply_to=reply_queue(DOMAIN) if reply else None,
            max_attempts=max_attempts or Configuration.load().max_attempts,
            conn=connection.connection,
        )
        if exact:
            table = sql.Identifier("pgmq", queue_table(command_queue(DOMAIN)))
            connection.connection.execute(SET_DATA.format(table), [payload_text(payload), sent.msg_id])
        return TestCommand.objects.create(command_id=command_id, payload=payload, behavior=behavior.to_json())
