"""The details of an audit event as pages can rely on them, whoever wrote them. Pure."""

import json
from typing import Any

from e2e_site.stored_json import SHOWN, StoredText
from e2e_site.texts import cut

UNREADABLE = "unreadable"  # the key of details that are no object, or cannot be read
# Numbers that pages count, compare and add to times; what is no such number is left out.
_WHOLE = {"attempt": 2**31, "max_attempts": 2**31, "msg_id": 2**63, "delay_ms": 10**12}


def details_of(stored: Any) -> dict[str, Any]:
    """Stored details as an object; where they are none, their text under `UNREADABLE`."""
    match stored:
        case None:
            return {}
        case dict():
            return {key: value for key, value in stored.items() if key not in _WHOLE or _is_below(value, _WHOLE[key])}
        case StoredText():
            return {UNREADABLE: str(stored)}
        case _:
            return {UNREADABLE: cut(json.dumps(stored, ensure_ascii=False), SHOWN)}


def _is_below(value: object, bound: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < bound
