"""What a scenario's model refuses, said so that a person can mend it: plain sentences with the valid names. Pure."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from bench.scenarios.faults import AnyFault, Fault
from bench.scenarios.model import (
    Bus,
    Expect,
    KeyPath,
    Part,
    Phase,
    Problem,
    ProblemsError,
    Rolls,
    Scenario,
    Workers,
)
from commands.rules.behaviors import BehaviorType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

KINDS: dict[str, type[AnyFault]] = {kind.model_fields["do"].default: kind for kind in get_args(get_args(Fault)[0])}
_SHOWN = 60

# By pydantic's types of errors; what it says itself stands for those that are not here.
_SENTENCES = {
    "missing": "is missing",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a text",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must look like {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length}",
}
_WITHOUT_VALUE = ("missing", "too_long", "too_short", "string_too_long", "string_too_short")


def problems_of(error: ValidationError) -> Iterator[Problem]:
    """Every problem that a model found, at the path at which the person wrote it."""
    found = error.errors(include_url=False)
    for details in found:
        # Of a list, only entries that are as they should be count.
        spoilt = details["type"] == "too_short" and any(_is_below(other["loc"], details["loc"]) for other in found)
        if not spoilt:
            yield from _problems(details)


def path_text(path: KeyPath) -> str:
    """``load[0].rate``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_SHOWN]}" for part in path)
    return text.removeprefix(".")


def shown(value: object) -> str:
    """A short picture of any value."""
    match value:
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case _:
            text = repr(value)
            return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def one_of(names: Iterable[str], given: object = None) -> str:
    """The valid names, and the one that may be meant."""
    known = sorted(names)
    near = get_close_matches(given, known, 1) if isinstance(given, str) else []
    meant = f"; is {near[0]} meant?" if near else ""
    return f"there is {', '.join(known)}{meant}"


def keys_of(model: type[BaseModel]) -> list[str]:
    """As they are written."""
    return [str(field.validation_alias or name) for name, field in model.model_fields.items()]


def _problems(details: ErrorDetails) -> Iterator[Problem]:
    path, kind = _path(details["loc"]), details["type"]
    context: dict[str, Any] = details.get("ctx", {})
    match kind:
        case "value_error" if isinstance(context["error"], ProblemsError):
            for problem in context["error"].problems:
                yield Problem((*path, *problem.path), problem.text)
        case "value_error":
            yield Problem(path, str(context["error"]))
        case "extra_forbidden":
            yield Problem(path, _unknown_key(details["loc"]))
        case "union_tag_not_found":
            yield Problem((*path, "do"), f"is missing, the kind of fault; {one_of(KINDS)}")
        case "union_tag_invalid":
            tag = context["tag"]
            yield Problem((*path, "do"), f"{shown(tag)} is no fault; {one_of(KINDS, tag)}")
        case _ if details["loc"][-1:] == ("[key]",):
            yield Problem(path, f"is no behavior; {one_of(BehaviorType, path[-1])}")
        case _:
            yield Problem(path, _sentence(kind, context, details))


def _sentence(kind: str, context: dict[str, Any], details: ErrorDetails) -> str:
    template = _SENTENCES.get(kind)
    if template is None:
        return f"{details['msg'][:1].lower()}{details['msg'][1:]}"
    values = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
    said = template.format(**values)
    return said if kind in _WITHOUT_VALUE else f"{said}, not {shown(details['input'])}"


def _unknown_key(loc: KeyPath) -> str:
    model = _model_at(loc[:-1])
    names = keys_of(model) if model else []
    return f"is no key here; {one_of(names, loc[-1])}"


_MODELS: dict[tuple[str | type, ...], type[BaseModel]] = {
    (): Scenario,
    ("bus",): Bus,
    ("rolls",): Rolls,
    ("expect",): Expect,
    ("workers", int): Workers,
    ("load", int): Phase,
    ("mix", str): Part,
}


def _model_at(loc: KeyPath) -> type[BaseModel] | None:
    if loc[:1] == ("faults",) and len(loc) == len(("faults", 0, "kill_worker")):
        return KINDS.get(str(loc[-1]))
    key: tuple[str | type, ...] = (*map(str, loc[:1]), *map(type, loc[1:]))
    return _MODELS.get(key)


def _is_below(loc: KeyPath, above: KeyPath) -> bool:
    return len(loc) > len(above) and loc[: len(above)] == above


def _path(loc: KeyPath) -> KeyPath:
    """Pydantic's path without what no person wrote: the kind of a fault, and its mark of a key."""
    if loc[:1] == ("faults",) and len(loc) > 2:
        loc = (*loc[:2], *loc[3:])
    return tuple(part for part in loc if part != "[key]")
