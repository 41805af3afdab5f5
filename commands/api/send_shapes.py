"""What a program sends to have commands sent, and what it is answered."""

from functools import cache
from typing import Annotated, Any
from uuid import UUID

from django.urls import reverse
from pydantic import BaseModel, ConfigDict, Field

from commands.api.values import Payload, UuidText, Weight, Whole, at_most, between
from commands.bus.one import Sent
from commands.bus.operations import MOST_RATE, MOST_SEED, MOST_SENT
from commands.bus.operators import MAX_REASON_LENGTH
from commands.forms.sending import ATTEMPTS
from commands.forms.sending_json import MOST_PARTS
from commands.rules.behaviors import (
    MAX_ERROR_CODE_LENGTH,
    MAX_ERROR_MESSAGE_LENGTH,
    MAX_EXECUTION_TIME_MS,
    MAX_TRANSIENT_FAILURES,
    BehaviorType,
)
from commands.rules.mix import MAX_WEIGHT
from commands.rules.words import DOMAIN, Status

COMMANDS = "/api/v1/commands"
_ANY = str(UUID(int=0))
DOMAIN_PATTERN = "^[a-z][a-z0-9_]{0,30}$"


class BodyModel(BaseModel):
    """A body: a field that it does not have is refused."""

    model_config = ConfigDict(extra="forbid")


class BehaviorIn(BodyModel):
    """What a command does. A field that its type does not take is refused: it would do nothing."""

    type: str = Field(json_schema_extra={"enum": [kind.value for kind in BehaviorType]})
    execution_time_ms: Whole = Field(
        0, description="How long each attempt works.", json_schema_extra=between(0, MAX_EXECUTION_TIME_MS)
    )
    transient_failures: Whole = Field(
        1,
        description="How often it fails before it succeeds; of fail_transient_then_succeed alone.",
        json_schema_extra=between(1, MAX_TRANSIENT_FAILURES),
    )
    error_code: str = Field(
        "", description="What it fails with; of types that fail.", json_schema_extra=at_most(MAX_ERROR_CODE_LENGTH)
    )
    error_message: str = Field(
        "", description="What it fails with; of types that fail.", json_schema_extra=at_most(MAX_ERROR_MESSAGE_LENGTH)
    )


class _EachIn(BodyModel):
    """What one command and each of many have in common."""

    payload: Payload = Field(default_factory=dict, description="At most 64 KiB of JSON. No behavior reads it.")
    max_attempts: Whole | None = Field(
        None,
        description="As the settings say where it is left out.",
        json_schema_extra=between(int(ATTEMPTS.minimum), int(ATTEMPTS.maximum)),
    )
    reply: Annotated[bool, Field(strict=True)] = Field(True, description="Whether a reply is sent to its end.")
    domain: str = Field(DOMAIN, min_length=1, json_schema_extra={"pattern": DOMAIN_PATTERN})


class SendIn(_EachIn):
    """One command."""

    behavior: BehaviorIn
    command_id: UuidText | None = Field(
        None, description="An id of your own: the same sent again is answered as it was, and sent once."
    )
    correlation_id: UuidText | None = Field(None, description="Ties commands together; a new one where left out.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"behavior": {"type": "success", "execution_time_ms": 50}, "payload": {"order": 7}},
                {"behavior": {"type": "fail_permanent", "error_code": "NO_SUCH_ACCOUNT"}, "max_attempts": 3},
                {"behavior": {"type": "fail_transient_then_succeed", "transient_failures": 2}},
            ]
        },
    )


class PartIn(BodyModel):
    """One behavior of a mix."""

    behavior: BehaviorIn
    weight: Weight = Field(
        1, description="Its share beside those of the others.", json_schema_extra=between(0, MAX_WEIGHT)
    )


class SendManyIn(_EachIn):
    """Many commands: of one ``behavior``, or of a mix of ``parts``."""

    count: Whole = Field(json_schema_extra=between(1, MOST_SENT))
    behavior: BehaviorIn | None = Field(None, description="What all of them do; or name parts.")
    parts: list[PartIn] = Field(default=[], max_length=MOST_PARTS)
    in_turn: Annotated[bool, Field(strict=True)] = Field(False, description="One of each part in turn, not drawn.")
    seed: Whole | None = Field(
        None, description="The same seed draws the same behaviors.", json_schema_extra=between(0, MOST_SEED)
    )
    rate: Whole | None = Field(None, description="The most a second.", json_schema_extra=between(1, MOST_RATE))
    reason: str = Field("", json_schema_extra=at_most(MAX_REASON_LENGTH))
    key: UuidText | None = Field(None, description="The same key asks once.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"count": 100, "behavior": {"type": "success"}},
                {
                    "count": 1000,
                    "parts": [
                        {"behavior": {"type": "success"}, "weight": 9},
                        {"behavior": {"type": "fail_permanent", "error_code": "MIXED"}, "weight": 1},
                    ],
                    "seed": 42,
                    "reason": "a trial",
                },
            ]
        },
    )


class ExpectedOut(BaseModel):
    """What has to become of it with the settings of now; empty where nobody can say."""

    statuses: list[Status] = Field(description="Where it may end.")
    least_attempts: int | None
    most_attempts: int | None
    sentence: str


class SentLinks(BaseModel):
    """Addresses of the same site."""

    self: str
    audit: str
    page: str = Field(description="The same for people.")


class SentOut(BaseModel):
    """A command as it was sent. What became of it, ``links.self`` says."""

    id: UUID
    domain: str
    status: Status = Field(description="Where it stood once it was sent.")
    correlation_id: UUID | None
    max_attempts: int
    reply: bool
    expected: ExpectedOut
    links: SentLinks


def command_address(command_id: UUID) -> str:
    return f"{COMMANDS}/{command_id}"


def links_of(command_id: UUID) -> dict[str, str]:
    return {
        "self": command_address(command_id),
        "audit": f"/api/v1/audit/{command_id}",
        "page": _page().replace(_ANY, str(command_id)),
    }


@cache
def _page() -> str:
    return reverse("commands:detail", args=[_ANY])


def sent_out(sent: Sent, expected: dict[str, Any]) -> dict[str, Any]:
    """The `SentOut`."""
    return {
        "id": sent.command_id,
        "domain": sent.domain,
        "status": Status.PENDING,
        "correlation_id": sent.correlation_id,
        "max_attempts": sent.max_attempts,
        "reply": sent.reply,
        "expected": expected,
        "links": links_of(sent.command_id),
    }
