"""What a handler raised, in words that can be stored: for both engines. Whatever it was, it ends one attempt.

Anything can stand in an error: characters that PostgreSQL stores nowhere, megabytes, no text at all. The kind of the
outcome stays what the handler meant.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from commandbus import BusinessRuleException, PermanentCommandError, TransientCommandError

from commands.rules.payload import PayloadError, storable_json
from commands.rules.words import INVALID_RESULT, OutcomeKind
from e2e_site.texts import cut, one_line, storable, storable_in, text_of

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)

LONGEST_CODE = 100  # characters
LONGEST_MESSAGE = 8192  # bytes of UTF-8
ERRORS: dict[OutcomeKind, type[TransientCommandError | PermanentCommandError | BusinessRuleException]] = {
    OutcomeKind.TRANSIENT: TransientCommandError,
    OutcomeKind.PERMANENT: PermanentCommandError,
    OutcomeKind.BUSINESS_RULE: BusinessRuleException,
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """How an attempt failed; ``code`` is never empty, ``details`` are JSON values."""

    kind: OutcomeKind
    code: str
    message: str
    details: Any = None

    def as_error(self) -> Exception:
        """The library's error that says the same."""
        return ERRORS[self.kind](self.code, self.message, self.details)


def gives_up(exc: BaseException, *, given_up: bool) -> bool:
    """Whether the end of the worker raised this in a handler, and not the handler itself.

    ``given_up``: the worker said so before it cancelled the attempt. A coroutine that is thrown away is closed by
    GeneratorExit, when there is no loop any more.
    """
    if isinstance(exc, GeneratorExit):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return True
    return given_up and isinstance(exc, asyncio.CancelledError)


def failure_of(exc: BaseException, command_id: UUID) -> Failure:
    """How an attempt failed whose handler raised this; logged with its traceback where it is no error of the bus."""
    if isinstance(exc, PayloadError):
        return Failure(kind=OutcomeKind.TRANSIENT, code=INVALID_RESULT, message=_message(exc))
    for kind, error in ERRORS.items():
        if isinstance(exc, error):
            # A subclass may have left out its parent's __init__, or have made properties of what it sets.
            code, details = _attribute(exc, "code", None), _attribute(exc, "details", None)
            message = _message(_attribute(exc, "error_message", exc))
            return Failure(kind=kind, code=_code(code, exc), message=message, details=_details(details))
    logger.error("handler raised", exc_info=exc, extra={"action": "handler_raised", "command_id": command_id})
    return Failure(kind=OutcomeKind.TRANSIENT, code=_code(None, exc), message=_message(exc))


def _attribute(exc: BaseException, name: str, otherwise: object) -> Any:
    try:
        return getattr(exc, name, otherwise)
    except Exception:  # noqa: BLE001  # a property of a stranger's
        return otherwise


def _code(code: object, exc: BaseException) -> str:
    """The code as text; where there is none, the name of the error's class."""
    text = text_of(code) or type(exc).__name__
    return cut(storable(text[: LONGEST_CODE + 1]), LONGEST_CODE)


def _message(said: object) -> str:
    return storable_in(text_of(said), LONGEST_MESSAGE)


def _details(details: Any) -> Any:
    if details is None or (isinstance(details, dict) and not details):
        return None
    try:
        return json.loads(storable_json(details, "error_details"))
    except Exception as problem:  # noqa: BLE001  # whatever a stranger's dict raises, the failure itself is kept
        return {"left_out": storable(one_line(problem))}
