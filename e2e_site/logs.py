"""How a log line looks: one readable line, or one JSON object (``LOG_FORMAT=json``).

Loggers pass what a line is about as ``extra={"action": ..., ...}``; both formats print it.
"""

import logging
from datetime import UTC, datetime
from typing import Any

import pythonjsonlogger.json

from e2e_site.texts import cut, escaped

LONGEST_TRACEBACK = 16_384  # characters
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request", "server_time"}


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class _Tracebacks(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802 — logging's name
        """The traceback, without the megabytes that an error may hold."""
        return cut(super().formatException(ei), LONGEST_TRACEBACK)


class TextFormatter(_Tracebacks):
    """``12:30:01.250 INFO  completed command  command_id=… attempt=1``

    One line, whatever the message and the extras hold; those of a traceback follow, indented, so that none of them can
    be taken for another entry.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        extra = " ".join(f"{key}={value}" for key, value in _extra(record).items() if key != "action")
        line = f"{moment:%H:%M:%S}.{int(record.msecs):03d} {record.levelname:<7} {record.getMessage()}"
        line = escaped(f"{line}  {extra}" if extra else line)
        if not record.exc_info:
            return line
        return "\n  ".join([line, *map(escaped, self.formatException(record.exc_info).split("\n"))])


class JsonFormatter(_Tracebacks, pythonjsonlogger.json.JsonFormatter):
    """One JSON object a line: ``ts`` (UTC, ISO 8601), ``level``, ``logger``, ``message``, the extras, ``exception``."""

    def __init__(self) -> None:
        super().__init__(
            ["asctime", "levelname", "name", "message"],
            rename_fields={"asctime": "ts", "levelname": "level", "name": "logger", "exc_info": "exception"},
            reserved_attrs=list(_STANDARD),
            json_default=str,
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 — logging's name
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
