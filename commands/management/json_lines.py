"""JSON as the command line prints it: one line, every digit of a number as it is stored."""

import json
from datetime import UTC, datetime
from typing import Any

from commands.rules.payload import ExactNumber
from e2e_site.stored_json import StoredText


def json_line(value: Any) -> str:
    """``value`` as JSON on one line. Times are ISO 8601 in UTC; a `StoredText` stands as it is stored."""
    match value:
        case dict():
            return f"{{{', '.join(f'{json.dumps(str(key))}: {json_line(inner)}' for key, inner in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(json_line, value))}]"
        case StoredText():
            return value.text
        case ExactNumber():
            return f"{value:f}"
        case _:
            # ASCII, whatever the terminal's encoding is.
            return json.dumps(value, default=_text)


def _text(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
