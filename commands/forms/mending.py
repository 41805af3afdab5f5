"""A rejected message, sent again as an operator mended it: what may be asked, and how it is done.

A worker performs a message only for a command that waits for exactly this message. So there are two ways: as the
message of a command that is known and lost its own, or as a new test command with the message's data.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.db import transaction

from commands.bus.action_log import write_down
from commands.bus.conflicts import SendConflictError
from commands.bus.messages import send_lost_message
from commands.bus.send import DuplicateCommandError, send_test_command
from commands.fields import JSONFormField, validate_behavior, validate_payload
from commands.reads.redacted import SEE_REDACTED
from commands.rules.behaviors import Behavior
from commands.rules.payload import exact_json
from commands.rules.redaction import Redactor
from commands.rules.words import DOMAIN, command_queue
from e2e_site.named_sql import Row

LOST, NEW = "lost", "new"


def no_gaps(redactor: Redactor, event: Row, text: str | None) -> str:
    """Why a viewer who may not see all of a message cannot send it again; empty for one who may.

    The gaps would take the place of what is there.
    """
    redactor.text(text if text is not None else event["message"] or "")
    if not redactor.hidden:
        return ""
    values = "a value that is" if redactor.hidden == 1 else f"{redactor.hidden} values that are"
    return f"You need the permission {SEE_REDACTED} to send this message again: it has {values} redacted."


class MendForm(forms.Form):
    """The message as it is to be sent: ``lost`` for the command that it names, ``new`` as a command of its own."""

    message = JSONFormField(
        label="Message",
        required=False,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "class": "input mono"}),
    )
    behavior = JSONFormField(
        label="Behavior of the new command",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "input mono"}),
    )
    way = forms.ChoiceField(
        choices=[(LOST, LOST), (NEW, NEW)],
        error_messages=dict.fromkeys(("required", "invalid_choice"), f"way must be {LOST} or {NEW}."),
    )

    def clean_message(self) -> dict[str, Any]:
        message: dict[str, Any] = self.cleaned_data["message"]
        if not isinstance(message, dict):
            raise ValidationError("The message of a command must be a JSON object.", code="message")
        validate_payload(message)
        return message

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("way") == NEW and "message" in cleaned and "behavior" in cleaned:
            try:
                validate_behavior(cleaned["behavior"])
            except ValidationError as exc:
                self.add_error("behavior", exc)
            if not isinstance(cleaned["message"].get("data", {}), dict):
                self.add_error("message", 'The message\'s "data" must be a JSON object: it becomes the payload.')
        named = cleaned.get("message", {}).get("command_id")
        needed = cleaned.get("way") == LOST
        if "message" in cleaned and (needed or named is not None) and _uuid(named) is None:
            self.add_error("message", 'The message\'s "command_id" must be a UUID with its four dashes.')
        return cleaned


@dataclass(frozen=True, kw_only=True)
class Mended:
    """The command that got the message; ``msg_id`` is its number where it is an old command's."""

    command_id: UUID
    msg_id: int | None = None


class MendError(Exception):
    """Why the message was not sent; ``field`` is the form's, None for the whole."""

    def __init__(self, field: str | None, message: str) -> None:
        super().__init__(message)
        self.field = field


def send_again(event: Row, cleaned: dict[str, Any], *, user: User | AnonymousUser) -> Mended:
    """Do what a valid form asks for, of the event of a rejected message. Raises MendError."""
    sent = _send_lost if cleaned["way"] == LOST else _send_new
    return sent(event, cleaned, user)


def _send_lost(event: Row, cleaned: dict[str, Any], user: User | AnonymousUser) -> Mended:
    message, domain = cleaned["message"], event["domain"]
    reason = f"sent rejected message {event['msg_id']} again, mended"
    sent = send_lost_message(exact_json(message), operator=user.get_username(), reason=reason, domain=domain)
    if sent.msg_id is not None:
        return Mended(command_id=UUID(message["command_id"]), msg_id=sent.msg_id)
    if sent.status is None:
        raise MendError("message", "No command has this command_id: a worker would reject the message again.")
    if sent.status.is_final:
        raise MendError("message", f"The command is {sent.status.label}: a worker would archive the message unread.")
    raise MendError("message", "The command still has its own message in the queue: nothing was lost.")


def _send_new(event: Row, cleaned: dict[str, Any], user: User | AnonymousUser) -> Mended:
    if event["domain"] != DOMAIN:
        raise MendError(None, f"New test commands are sent to domain {DOMAIN} only.")
    message = cleaned["message"]
    behavior = Behavior.from_json(cleaned["behavior"])
    named = _uuid(message.get("command_id"))
    try:
        with transaction.atomic():
            new = send_test_command(
                behavior, payload=message.get("data", {}), reply=bool(message.get("reply_to")), command_id=named
            )
            what = f"Sent rejected message {event['msg_id']} again, mended, as command {new.command_id}."
            write_down(user, event["domain"], command_queue(event["domain"]), what)
    except DuplicateCommandError as exc:
        raise MendError("message", "A command has this command_id already: leave it out for a new one.") from exc
    except SendConflictError as exc:
        raise MendError(None, str(exc)) from exc
    return Mended(command_id=new.command_id)


def _uuid(text: object) -> UUID | None:
    """As commandbus.command_id_of has it: with its four dashes."""
    try:
        return UUID(text) if isinstance(text, str) and len(text) == 36 else None
    except ValueError:
        return None
