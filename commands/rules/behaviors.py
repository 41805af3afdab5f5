"""What a test command must do. Pure: values in, values or errors out.

A behavior is stored as a JSON object, ``{"type": "fail_transient_then_succeed", "transient_failures": 2}``.
`Behavior.from_json` is the only way in and refuses whatever the worker could not perform; `act` is what one attempt
does once it has slept.

Errors::

    ValueError
    └── BehaviorError               not a behavior: `key` is at fault, `message` says what is allowed
    Exception
    └── SimulatedFailure            an attempt fails on purpose, with `code` and `message`
        ├── SimulatedPermanentFailure
        ├── SimulatedTransientFailure
        └── SimulatedBusinessRuleFailure
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, assert_never

from e2e_site.texts import cut

MAX_EXECUTION_TIME_MS = 3_600_000
MAX_TRANSIENT_FAILURES = 100
MAX_ERROR_CODE_LENGTH = 100
MAX_ERROR_MESSAGE_LENGTH = 1000


class BehaviorType(StrEnum):
    """What a test command can do."""

    SUCCESS = "success"  # completes at its first attempt
    FAIL_PERMANENT = "fail_permanent"  # fails once and for good
    BUSINESS_RULE = "business_rule"  # its own rule says no, once and for good; no operator is needed
    FAIL_TRANSIENT = "fail_transient"  # fails at every attempt, until none is left
    FAIL_TRANSIENT_THEN_SUCCEED = "fail_transient_then_succeed"  # fails `transient_failures` times, then completes
    TIMEOUT = "timeout"  # works for `execution_time_ms`, to be set longer than the lease, then completes


# The keys that each type takes beside `type`. A key that a type would ignore is refused: it would be a mistake.
PARAMETERS: Mapping[BehaviorType, tuple[str, ...]] = {
    BehaviorType.SUCCESS: ("execution_time_ms",),
    BehaviorType.FAIL_PERMANENT: ("execution_time_ms", "error_code", "error_message"),
    BehaviorType.BUSINESS_RULE: ("execution_time_ms", "error_code", "error_message"),
    BehaviorType.FAIL_TRANSIENT: ("execution_time_ms", "error_code", "error_message"),
    BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED: ("execution_time_ms", "transient_failures"),
    BehaviorType.TIMEOUT: ("execution_time_ms",),
}


class BehaviorError(ValueError):
    """Not a behavior: ``key`` is at fault ("behavior": the whole), ``message`` names it and says what is allowed."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message


class SimulatedFailure(Exception):  # noqa: N818  # it is wanted, so no error
    """An attempt that fails because its behavior says so."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"[{code}] {message}")
        self.code = code
        self.message = message


class SimulatedPermanentFailure(SimulatedFailure):
    """No further attempt can help."""


class SimulatedTransientFailure(SimulatedFailure):
    """A later attempt may succeed."""


class SimulatedBusinessRuleFailure(SimulatedFailure):
    """The command is at its end: its rule says no."""


@dataclass(frozen=True, kw_only=True)
class Behavior:
    """What one test command must do; valid by construction (`BehaviorError` otherwise).

    ``execution_time_ms`` is how long each attempt works before it acts. ``error_code`` and ``error_message`` are
    None where the type's own default is meant.
    """

    type: BehaviorType
    execution_time_ms: int = 0
    transient_failures: int = 1
    error_code: str | None = None
    error_message: str | None = None

    def __post_init__(self) -> None:
        _check_type(self.type)
        _check_whole("execution_time_ms", self.execution_time_ms, 0, MAX_EXECUTION_TIME_MS)
        _check_whole("transient_failures", self.transient_failures, 1, MAX_TRANSIENT_FAILURES)
        if self.error_code is not None:
            _check_text("error_code", self.error_code, 1, MAX_ERROR_CODE_LENGTH)
        if self.error_message is not None:
            _check_text("error_message", self.error_message, 0, MAX_ERROR_MESSAGE_LENGTH)
        _check_keys(self.type, self.to_json())

    @classmethod
    def from_json(cls, value: object) -> "Behavior":
        """The behavior that a JSON object describes; raises `BehaviorError` for anything else."""
        if not isinstance(value, Mapping):
            raise BehaviorError("behavior", f"behavior must be a JSON object, not {_shown(value)}.")
        kind = _check_type(value.get("type"))
        _check_keys(kind, value)
        for key, given in value.items():
            if given is None:
                raise BehaviorError(key, f"{key} must not be null; leave it out for its default.")
        return cls(**{**value, "type": kind})

    def to_json(self) -> dict[str, Any]:
        """The JSON object that stands for this behavior: ``type``, and the keys that differ from their defaults."""
        values = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        changed = {field.name: values[field.name] for field in fields(self)[1:] if values[field.name] != field.default}
        return {"type": self.type.value, **changed}


def act(behavior: Behavior, attempt: int) -> dict[str, Any]:
    """What attempt number ``attempt`` (from 1, over the command's life) comes to, after its execution time.

    Returns the command's result, or raises the `SimulatedFailure` that its type names.
    """
    match behavior.type:
        case BehaviorType.SUCCESS | BehaviorType.TIMEOUT:
            return {"status": "success"}
        case BehaviorType.FAIL_PERMANENT:
            raise SimulatedPermanentFailure(*_error(behavior, "PERMANENT", "Simulated permanent failure"))
        case BehaviorType.BUSINESS_RULE:
            raise SimulatedBusinessRuleFailure(*_error(behavior, "BUSINESS_RULE", "Simulated business rule failure"))
        case BehaviorType.FAIL_TRANSIENT:
            raise SimulatedTransientFailure(*_error(behavior, "TRANSIENT", "Simulated transient failure"))
        case BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED:
            if attempt <= behavior.transient_failures:
                raise SimulatedTransientFailure("TRANSIENT", f"Transient failure {attempt}")
            return {"status": "success", "attempts": attempt}
        case _:
            assert_never(behavior.type)


def _error(behavior: Behavior, code: str, message: str) -> tuple[str, str]:
    return (
        code if behavior.error_code is None else behavior.error_code,
        message if behavior.error_message is None else behavior.error_message,
    )


def _check_type(value: object) -> BehaviorType:
    try:
        if isinstance(value, str):
            return BehaviorType(value)
    except ValueError:
        pass
    raise BehaviorError("type", f"type must be one of {', '.join(BehaviorType)}, not {_shown(value)}.")


def _check_keys(kind: BehaviorType, value: Mapping[Any, Any]) -> None:
    allowed = ("type", *PARAMETERS[kind])
    for key in value:
        if key not in allowed:
            known = key in Behavior.__dataclass_fields__
            problem = f"does not apply to {kind}" if known else "is not a key of a behavior"
            raise BehaviorError(str(key), f"{_shown(key)} {problem}; {kind} takes {', '.join(PARAMETERS[kind])}.")


def _check_whole(key: str, value: object, low: int, high: int) -> None:
    # True is an int to Python; in JSON it is not a number.
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BehaviorError(key, f"{key} must be a whole number from {low} to {high:,}, not {_shown(value)}.")


def _check_text(key: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, str) or not low <= len(value) <= high:
        raise BehaviorError(key, f"{key} must be text of {low} to {high:,} characters, not {_shown(value)}.")
    # PostgreSQL stores neither in jsonb.
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise BehaviorError(key, f"{key} must not hold NUL characters or half surrogate pairs.")


def _shown(value: object) -> str:
    """A short picture of any value, however long or deep it is."""
    if isinstance(value, str):
        return cut(ascii(value), 50)
    if value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**20):
        return repr(value)
    return f"a value of type {type(value).__name__}"
