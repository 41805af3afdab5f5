"""An operation as every answer of the API has it: one that was just asked for, one of a list, one that is looked at."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from pydantic import BaseModel, Field

from commands.reads.listing import LARGEST_NUMBER
from commands.rules.words import OperationKind, OperationState

_OPERATIONS = "/api/v1/operations"
_COMMANDS = "/api/v1/commands"


class OperationLinks(BaseModel):
    """Addresses of the same site."""

    self: str
    commands: str = Field(description="The commands that it sent or changed.")
    page: str = Field(description="The same for people.")


class OperationOut(BaseModel):
    """What was asked to be done to many commands, and how far it is. Numbers are commands."""

    id: int = Field(ge=1, le=LARGEST_NUMBER)
    kind: OperationKind
    domain: str
    state: OperationState
    operator: str = Field(description="Who asked for it.")
    reason: str
    correlation_id: UUID = Field(description="Of all that it sends.")
    wanted: int = Field(description="How many were meant when it was asked for.")
    done: int
    skipped: int = Field(description="Met and left as they are.")
    rate: int | None = Field(description="The most a second; null for no limit.")
    canary: int | None = Field(description="It stops above so many percent of failures; null for all at once.")
    said: str = Field(description="How it ended, in one sentence.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    links: OperationLinks


def operation_out(values: Mapping[str, Any]) -> dict[str, Any]:
    """The `OperationOut` of a row of ``e2e_operation``: its columns by their names (``vars`` of an `Operation`)."""
    number = values["operation_id"]
    named = {name: values[name] for name in OperationOut.model_fields if name not in ("id", "links")}
    return {
        **named,
        "id": number,
        "links": {
            "self": operation_address(number),
            "commands": f"{_COMMANDS}?operation={number}",
            "page": reverse("commands:operation", args=[number]),
        },
    }


def operation_address(number: int) -> str:
    return f"{_OPERATIONS}/{number}"
