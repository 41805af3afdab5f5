"""The troubleshooting queue in JSON: what is listed, what is asked to be done to it, what was done."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from commands.api.asked import CURSOR, DOMAIN_LENGTH, InDomain, Paging, Text
from commands.api.values import Whole
from commands.bus.operations import MOST_CANARY, MOST_IDS, MOST_RATE
from commands.bus.operators import MAX_REASON_LENGTH
from commands.forms.operating import MOST_AT_ONCE
from commands.forms.parked import MOST_TEXT, WITHOUT
from commands.forms.sending import ATTEMPTS
from commands.rules.behaviors import (
    MAX_ERROR_CODE_LENGTH,
    MAX_ERROR_MESSAGE_LENGTH,
    MAX_EXECUTION_TIME_MS,
    MAX_TRANSIENT_FAILURES,
    BehaviorType,
)
from commands.rules.words import OperationKind, Status

_DAY = "2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-9]|3[01])"
_MOMENT = rf"{_DAY}T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{{1,6}})?)?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])?"
_TIME: dict[str, Any] = {"example": "2026-05-01T14:30:00Z", "maxLength": 40, "pattern": f"^({_MOMENT})?$"}


def _between(low: int, high: int) -> Any:
    """A whole number whose bounds the document tells, and the form keeps."""
    return WithJsonSchema({"anyOf": [{"type": "integer", "minimum": low, "maximum": high}, {"type": "null"}]})


def _most(length: int, **more: Any) -> dict[str, Any]:
    return {"maxLength": length, **more}


class ParkedOut(BaseModel):
    """A command in the troubleshooting queue."""

    command_id: UUID
    parked_at: datetime
    first_failed: datetime | None
    error_type: str
    error_code: str
    error_message: str | None = Field(description="Its beginning.")
    behavior: str
    attempts: int
    max_attempts: int


class MatchingOut(BaseModel):
    count: int
    at_least: bool = Field(description="There may be more: counting ended here.")


class ParkedPage(BaseModel):
    items: list[ParkedOut]
    next: str | None
    looked: int | None = Field(description="Where a look into messages ended early: at how many it looked.")
    reach: datetime | None = Field(description="When the last of them was parked.")
    matching: MatchingOut | None = Field(description="How many the filter meets; null where messages are searched.")


class GroupOut(BaseModel):
    """Parked commands with one error code and one behavior."""

    error_code: str
    behavior: str
    count: int
    oldest: datetime
    newest: datetime
    filter: dict[str, str] = Field(description="The filter that meets them, for the list and for bulk operations.")


class GroupsOut(BaseModel):
    """The largest groups first."""

    items: list[GroupOut]
    cut: bool = Field(description="There are more groups.")


class _Filter(Schema):
    code: Text = Field("", json_schema_extra=_most(MAX_ERROR_CODE_LENGTH), description=f"The whole code, or {WITHOUT}.")
    error_type: Text = Field("", json_schema_extra=_most(MAX_ERROR_CODE_LENGTH, example="PERMANENT"))
    behavior: Text = Field("", json_schema_extra=_most(MAX_ERROR_CODE_LENGTH, example="fail_permanent"))
    text: Text = Field("", json_schema_extra=_most(MOST_TEXT), description="Part of the error message.")
    from_: Text = Field("", alias="from", description="Parked then or later, UTC.", json_schema_extra=_TIME)
    to: Text = Field("", description="Parked then or earlier, UTC.", json_schema_extra=_TIME)

    def data(self) -> dict[str, str]:
        """What `FilterForm` reads."""
        return {field.alias or name: getattr(self, name) for name, field in _Filter.model_fields.items()}


class FilterIn(_Filter):
    """Which parked commands; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid")


class ListQuery(_Filter, InDomain, Paging):
    cursor: str = Field("", description=CURSOR, max_length=100)


class OtherBehaviorIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: BehaviorType
    execution_time_ms: Annotated[Whole | None, _between(0, MAX_EXECUTION_TIME_MS)] = None
    transient_failures: Annotated[Whole | None, _between(1, MAX_TRANSIENT_FAILURES)] = None
    error_code: Text | None = Field(None, json_schema_extra=_most(MAX_ERROR_CODE_LENGTH))
    error_message: Text | None = Field(None, json_schema_extra=_most(MAX_ERROR_MESSAGE_LENGTH))


class ActionIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: ClassVar[OperationKind]
    reason: Text = Field("", json_schema_extra=_most(MAX_REASON_LENGTH), description="For the audit.")
    until: Text = Field(
        "",
        description="When you looked: a command that was parked later is left as it is. Now if left out.",
        json_schema_extra=_TIME,
    )


class RetryIn(ActionIn):
    kind = OperationKind.RETRY
    behavior: OtherBehaviorIn | None = Field(None, description="In place of theirs.")
    payload: dict[str, Any] | None = Field(None, description="In place of theirs, at most 64 KiB of JSON.")
    max_attempts: Annotated[Whole | None, _between(int(ATTEMPTS.minimum), int(ATTEMPTS.maximum))] = Field(
        None, description="At least so many."
    )


class CancelIn(ActionIn):
    kind = OperationKind.CANCEL
    reason: Text = Field(
        json_schema_extra=_most(MAX_REASON_LENGTH, minLength=1, examples=["no longer needed"]),
        description="For the audit, and for who waits for a reply.",
    )


class CompleteIn(ActionIn):
    kind = OperationKind.COMPLETE
    result: Any = Field(None, description="JSON of at most 64 KiB, stored and replied.")


class Bulk(ActionIn):
    """Which commands (one of `filter`, `ids` and `all`), and how."""

    domain: Text = Field("", json_schema_extra=_most(DOMAIN_LENGTH), description="The site's own if left out.")
    filter: FilterIn | None = Field(None, description="All that it meets; an empty one needs `all`.")
    ids: list[UUID] | None = Field(
        None,
        json_schema_extra={"minItems": 1, "maxItems": MOST_IDS},
        description=f"Of up to {MOST_AT_ONCE}, without `rate`, `canary` and `key`, the answer tells at once.",
    )
    all: bool = Field(False, strict=True, description="The whole troubleshooting queue.")
    rate: Annotated[Whole | None, _between(1, MOST_RATE)] = Field(None, description="The most commands a second.")
    expected_count: Annotated[Whole | None, _between(0, 2**63 - 1)] = Field(
        None, description="How many you saw: where they are more by now, nothing is done."
    )
    key: UUID | None = Field(None, description="Asked again with the same key, it is the same operation.")


class BulkRetryIn(RetryIn, Bulk):
    canary: Annotated[Whole | None, _between(0, MOST_CANARY)] = Field(
        None, description="Begins with one, then ten, and stops where more than so many percent fail again."
    )


class BulkCancelIn(CancelIn, Bulk):
    pass


class BulkCompleteIn(CompleteIn, Bulk):
    pass


class DoneOut(BaseModel):
    """What was done to a command. A worker may have it in hand already."""

    command_id: UUID
    action: OperationKind
    status: Status
    operator: str


class LeftOut(BaseModel):
    command_id: UUID
    status: Status | None
    why: str


class ActedOut(BaseModel):
    """What was done to several at once, and why others were left as they are."""

    action: OperationKind
    done: list[UUID]
    left: list[LeftOut]
