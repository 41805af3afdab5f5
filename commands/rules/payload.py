"""What a payload or a result may be: JSON of at most 64 KiB that PostgreSQL can store. Pure."""

import json
import math
from typing import Any

import orjson

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


def payload_text(value: object) -> str:
    """A command's payload as compact JSON; raises `PayloadError` unless ``value`` can be one."""
    if not isinstance(value, dict):
        raise PayloadError(f"payload must be a JSON object, not {_kind(value)}.")
    return json_text(value, "payload")


def json_text(value: object, name: str) -> str:
    """``value`` as compact JSON; raises `PayloadError`, which calls it ``name``, unless it can be stored."""
    _check(value, name, 1)
    try:
        text = orjson.dumps(value)
    except TypeError:  # a number of more than 64 bits
        text = _dumps(value, name)
    if len(text) > MAX_BYTES:
        raise PayloadError(f"{name} must be at most {MAX_BYTES:,} bytes (64 KiB) of JSON, not {len(text):,}.")
    return text.decode()


def _check(value: object, name: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise PayloadError(f"{name} must not be nested deeper than {MAX_DEPTH} levels.")
    match value:
        case str():
            _check_text(value, name)
        case dict():
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise PayloadError(f"{name} must have text for its keys.")
                _check_text(key, name)
                _check(inner, name, depth + 1)
        case list():
            for inner in value:
                _check(inner, name, depth + 1)
        case _:
            _check_plain(value, name)


def _check_plain(value: object, name: str) -> None:
    match value:
        case None | bool() | int():
            pass
        case float():
            if not math.isfinite(value):
                raise PayloadError(f"{name} must not hold {value}: JSON has no such number.")
        case _:
            raise PayloadError(f"{name} must hold JSON values only, not {_kind(value)}.")


def _check_text(text: str, name: str) -> None:
    # PostgreSQL stores neither in jsonb.
    if "\0" in text or not (text.isascii() or _is_unicode(text)):
        raise PayloadError(f"{name} must not hold NUL characters or half surrogate pairs.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _dumps(value: object, name: str) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except ValueError as exc:
        raise PayloadError(f"{name} must not hold a number with so many digits.") from exc


def _kind(value: object) -> str:
    names = {"list": "a list", "str": "a text", "int": "a number", "float": "a number", "bool": "true or false"}
    return "null" if value is None else names.get(type(value).__name__, type(value).__name__)
