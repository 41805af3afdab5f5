"""Kinds of values that bodies and answers have: types are checked here, what a value may be is for the forms to say.

The document says both, by the bounds of the forms, so that who reads it knows what will be taken.
"""

from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, StringConstraints, WithJsonSchema

from commands.rules.payload import ExactNumber
from e2e_site.stored_json import SHOWN, StoredText, read
from e2e_site.texts import cut

_UUID_EXAMPLE = "0193a5b0-7c1e-7abc-8def-0123456789ab"


def _whole(value: Any) -> Any:
    """JSON's 5.0 and 5e0 are whole numbers; true is none."""
    match value:
        case int() if not isinstance(value, bool):
            return value
        case float() if value.is_integer():
            return int(value)
        case ExactNumber() if value == value.to_integral_value():
            return int(value)
    raise ValueError("It must be a whole number.")


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | ExactNumber):
        raise ValueError("It must be a number.")  # noqa: TRY004  # the kind that Pydantic takes for a refusal
    return value


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("It must be a JSON object.")  # noqa: TRY004  # as above
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Weight = Annotated[Any, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
# Left out or null where there is none: an empty text is none.
OR_UUID = "^([0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12})?$"  # an empty parameter is none

UuidText = Annotated[
    str,
    StringConstraints(min_length=1),
    WithJsonSchema({"type": "string", "format": "uuid", "examples": [_UUID_EXAMPLE]}),
]
Payload = Annotated[
    Any, BeforeValidator(_object), WithJsonSchema({"type": "object", "additionalProperties": True, "examples": [{}]})
]
Stored = Annotated[
    Any,
    WithJsonSchema({"description": 'JSON, every digit of it; {"unreadable": …} for what no program should read.'}),
]


def between(least: float, most: float) -> dict[str, Any]:
    """For ``json_schema_extra``: the bounds of a number that a form keeps."""
    return {"minimum": least, "maximum": most}


def at_most(length: int) -> dict[str, Any]:
    """For ``json_schema_extra``: the length of a text that a form keeps."""
    return {"maxLength": length}


def stored(value: str | None, *, most: int) -> Any:
    """A stored JSON text for an answer, as it is. Where it has ``most`` characters it was cut there."""
    if value is None:
        return None
    if len(value) >= most or isinstance(read(value), StoredText):
        return {"unreadable": cut(value, SHOWN)}
    return orjson.Fragment(value)
