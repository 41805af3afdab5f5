"""What a payload or a result may be: JSON of at most 64 KiB that PostgreSQL can store. Pure.

A typed number keeps its digits on the way to the database: `parse_json` makes an `ExactNumber` of one that a float
would change, and `payload_text` writes it out. So does PostgreSQL: ``1e3`` is 1000 there.
"""

import json
import math
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

import orjson

from e2e_site.texts import storable

MAX_BYTES = 65_536  # as compact JSON in UTF-8
MAX_DEPTH = 100
MOST_SHOWN = 100  # characters of a path
MAX_DIGITS = 4300  # of a number written out: no worker could read more of them


_Way: TypeAlias = "tuple[()] | tuple[_Way, str | int]"


class PayloadError(ValueError):
    """Not JSON, or not to be stored; the text says why and what is allowed."""


class UnstorableTextError(PayloadError):
    """It would be JSON to be stored, but for some characters in it."""


class ExactNumber(Decimal):
    """A typed number that a float would change. Only payloads may hold one: a handler returns floats."""


class _Repeating(dict[str, Any]):
    """An object whose text names ``key`` more than once."""

    key: str


def parse_json(text: str) -> Any:
    """The JSON value that ``text`` stands for; raises `PayloadError`, whatever the text."""
    try:
        value = json.loads(text, parse_float=_number, object_pairs_hook=_object)
    except json.JSONDecodeError as exc:
        raise PayloadError(f"Not valid JSON: {exc.msg} (line {exc.lineno}, column {exc.colno}).") from exc
    except RecursionError as exc:
        raise PayloadError(f"Nested deeper than {MAX_DEPTH} levels.") from exc
    except ValueError as exc:
        raise PayloadError(f"A number has too many digits: written out, at most {MAX_DIGITS:,}.") from exc
    if repeated := _repeated(value):
        raise PayloadError(f"{repeated} is there twice: a key has one value.")
    return value


def _number(text: str) -> float | ExactNumber:
    value = float(text)
    if repr(value) == text:
        return value
    try:
        exact = ExactNumber(text)
    except InvalidOperation as exc:  # an exponent beyond all bounds
        raise ValueError(text) from exc
    _, digits, exponent = exact.as_tuple()
    assert isinstance(exponent, int)
    if max(len(digits) + exponent, 1) + max(-exponent, 0) > MAX_DIGITS:
        raise ValueError(text)
    return exact


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    repeating = _Repeating(made)
    repeating.key = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return repeating


def _repeated(value: Any) -> str | None:
    """A key that an object in ``value`` repeats, with the way there: ``lines[2].price``."""
    waiting: list[tuple[_Way, Any]] = [((), value)]
    while waiting:
        way, found = waiting.pop()
        if isinstance(found, _Repeating):
            return _path((way, found.key))
        if isinstance(found, dict):
            waiting.extend(((way, key), inner) for key, inner in found.items())
        elif isinstance(found, list):
            waiting.extend(((way, number), inner) for number, inner in enumerate(found))
    return None


def _path(way: _Way) -> str:
    steps: list[str] = []
    while way:
        way, step = way
        if isinstance(step, int):
            steps.append(f"[{step}]")
        else:
            steps.append("." + (step if step.isidentifier() and step.isascii() else json.dumps(step)))
    path = "".join(reversed(steps)).removeprefix(".")
    return path if len(path) <= MOST_SHOWN else "…" + path[1 - MOST_SHOWN :]


def holds_exact_numbers(value: object) -> bool:
    """Whether a payload has numbers that only `payload_text` can write."""
    match value:
        case dict():
            return any(map(holds_exact_numbers, value.values()))
        case list():
            return any(map(holds_exact_numbers, value))
        case _:
            return isinstance(value, ExactNumber)


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
    except TypeError:  # a number of more than 64 bits, or an exact one
        text = _dumps(value, name)
    if len(text) > MAX_BYTES:
        raise PayloadError(f"{name} must be at most {MAX_BYTES:,} bytes (64 KiB) of JSON, not {len(text):,}.")
    return text.decode()


def storable_json(value: object, name: str) -> str:
    """As `json_text`, with U+FFFD in place of the characters that cannot be stored."""
    try:
        return json_text(value, name)
    except UnstorableTextError:
        return json_text(_storable(value, 1), name)


def _storable(value: object, depth: int) -> object:
    if depth > MAX_DEPTH:
        return value  # and refused for that
    match value:
        case str():
            return storable(value)
        case dict():
            return {_storable(key, depth): _storable(inner, depth + 1) for key, inner in value.items()}
        case list():
            return [_storable(inner, depth + 1) for inner in value]
        case _:
            return value


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
        case None | bool() | int() | ExactNumber():
            pass
        case float():
            if not math.isfinite(value):
                raise PayloadError(f"{name} must not hold {value}: JSON has no such number.")
        case _:
            raise PayloadError(f"{name} must hold JSON values only, not {_kind(value)}.")


def _check_text(text: str, name: str) -> None:
    # PostgreSQL stores neither in jsonb.
    if "\0" in text or not (text.isascii() or _is_unicode(text)):
        raise UnstorableTextError(f"{name} must not hold NUL characters or half surrogate pairs.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _dumps(value: object, name: str) -> bytes:
    try:
        return exact_json(value).encode()
    except ValueError as exc:
        raise PayloadError(f"{name} must not hold a number with so many digits.") from exc


def exact_json(value: object) -> str:
    """``value``, of which it is known that it may be a payload, with every digit of its numbers."""
    match value:
        case dict():
            return f"{{{','.join(f'{exact_json(key)}:{exact_json(inner)}' for key, inner in value.items())}}}"
        case list():
            return f"[{','.join(map(exact_json, value))}]"
        case ExactNumber():
            return f"{value:f}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _kind(value: object) -> str:
    names = {"list": "a list", "str": "a text", "int": "a number", "float": "a number", "bool": "true or false"}
    return "null" if value is None else names.get(type(value).__name__, type(value).__name__)
