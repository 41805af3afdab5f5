"""What a payload or a result may be: JSON of at most 64 KiB that PostgreSQL can store. Pure."""

import json
import math
from typing import Any

MAX_BYTES = 65_536  # as compact JSON in UTF-8
MAX_DEPTH = 100


class PayloadError(ValueError):
    """Not JSON, or not to be stored; the text says why and what is allowed."""


def parse_json(text: str) -> Any:
    """The JSON value that ``text`` stands for; raises `PayloadError`, whatever the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        raise PayloadError(f"Not valid JSON: {exc.msg} (line {exc.lineno}, column {exc.colno}).") from exc
    except RecursionError as exc:
        raise PayloadError(f"Nested deeper than {MAX_DEPTH} levels.") from exc
    except ValueError as exc:
        raise PayloadError("Not valid JSON: a number has too many digits.") from exc


def check_payload(value: object) -> None:
    """Raise `PayloadError` unless ``value`` can be a command's payload."""
    if not isinstance(value, dict):
        raise PayloadError(f"payload must be a JSON object, not {_kind(value)}.")
    check_json(value, "payload")


def check_json(value: object, name: str) -> None:
    """Raise `PayloadError`, which calls it ``name``, unless ``value`` is JSON that can be stored."""
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise PayloadError(f"{name} must not be nested deeper than {MAX_DEPTH} levels.")
        match item:
            case dict():
                waiting.extend((key, depth + 1) for key in item)
                waiting.extend((inner, depth + 1) for inner in item.values())
                if not all(isinstance(key, str) for key in item):
                    raise PayloadError(f"{name} must have text for its keys.")
            case list():
                waiting.extend((inner, depth + 1) for inner in item)
            case _:
                _check_scalar(item, name)
    _check_size(value, name)


def _check_scalar(value: object, name: str) -> None:
    match value:
        case None | bool() | int():
            pass
        case float():
            if not math.isfinite(value):
                raise PayloadError(f"{name} must not hold {value}: JSON has no such number.")
        case str():
            # PostgreSQL stores neither in jsonb.
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise PayloadError(f"{name} must not hold NUL characters or half surrogate pairs.")
        case _:
            raise PayloadError(f"{name} must hold JSON values only, not {_kind(value)}.")


def _check_size(value: object, name: str) -> None:
    try:
        size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    except ValueError as exc:
        raise PayloadError(f"{name} must not hold a number with so many digits.") from exc
    if size > MAX_BYTES:
        raise PayloadError(f"{name} must be at most {MAX_BYTES:,} bytes (64 KiB) of JSON, not {size:,}.")


def _kind(value: object) -> str:
    names = {"list": "a list", "str": "a text", "int": "a number", "float": "a number", "bool": "true or false"}
    return "null" if value is None else names.get(type(value).__name__, type(value).__name__)
