"""Operations: all of them, newest first, and one of them; their SQL is in operations.sql."""

from pathlib import Path
from uuid import UUID

from commands.reads.listing import LARGEST_NUMBER
from e2e_site.named_sql import NamedSql, Row
from settings_app.models import Worker

ENDS_COUNTED = 10_000

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


def newest(before: int | None, limit: int) -> list[Row]:
    """So many operations, newest first, below a number; without what may be long of them."""
    return _SQL.rows("operations", before=before, limit=limit)


def operation(operation_id: int) -> Row | None:
    """One operation, or None where there is none. Its ``payload`` is a text with every digit."""
    if operation_id > LARGEST_NUMBER:
        return None
    found = _SQL.rows("operation", operation_id=operation_id, silence=Worker.SILENCE)
    return found[0] if found else None


def ends(correlation_id: UUID) -> dict[str, int]:
    """How many of the first `ENDS_COUNTED` commands of a bulk send have which status."""
    rows = _SQL.rows("ends", correlation_id=correlation_id, limit=ENDS_COUNTED)
    return {row["status"]: row["count"] for row in rows}
