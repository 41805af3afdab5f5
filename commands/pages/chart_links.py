"""The lists of what is behind a column of a chart, by their addresses: short ones, as a page has hundreds of them."""

from urllib.parse import quote

from django.urls import reverse

from commands.reads.columns import Column
from commands.rules.words import DOMAIN, EventType


class Links:
    """Those of one domain."""

    def __init__(self, domain: str) -> None:
        self._own = "" if domain == DOMAIN else f"&domain={quote(domain)}"
        # Looked up once: for each column it would be a third of what a drawing costs.
        self._audit, self._list, self._tsq = (reverse(f"commands:{name}") for name in ("audit", "list", "tsq"))

    def events(self, column: Column) -> str:
        """The audit: all that happened in the column."""
        return f"{self._audit}?{self._span(column)}"

    def begun(self, column: Column) -> str:
        """The audit, with the attempts that began in the column: with its first one a command's waiting ends."""
        return f"{self._audit}?event={EventType.RECEIVED}&{self._span(column)}"

    def ended(self, column: Column) -> str:
        """The audit, with the attempts that ended in the column: those whose running time is measured."""
        return f"{self._audit}?{_ENDED}{self._span(column)}"

    def sent(self, column: Column) -> str:
        """The commands that were sent in the column."""
        return f"{self._list}?{self._span(column)}"

    def parked(self, column: Column) -> str:
        """The commands that were parked in the column and still are."""
        return f"{self._tsq}?{self._span(column)}"

    def _span(self, column: Column) -> str:
        return f"from={column.at:%Y-%m-%dT%H:%M:%S}&to={column.end:%Y-%m-%dT%H:%M:%S}{self._own}"


_ENDED = "".join(f"event={kind}&" for kind in (EventType.COMPLETED, EventType.FAILED, EventType.MOVED_TO_TSQ))
