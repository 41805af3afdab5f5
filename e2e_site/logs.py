"""How a log line looks: one readable line, or one JSON object (``LOG_FORMAT=json``).

Loggers pass what a line is about as ``extra={"action": ..., ...}``; both formats print it.
"""

import logging
from datetime import UTC, datetime

import pythonjsonlogger.json

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request", "server_time"}


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class TextFormatter(logging.Formatter):
    """``12:30:01.250 INFO  completed command  command_id=… attempt=1``"""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        extra = " ".join(f"{key}={value}" for key, value in _extra(record).items() if key != "action")
        line = f"{moment:%H:%M:%S}.{int(record.msecs):03d} {record.levelname:<7} {record.getMessage()}"
        line = f"{line}  {extra}" if extra else line
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(pythonjsonlogger.json.JsonFormatter):
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
