"""What all lists have in common: the size of a page, where it begins, and how far it looked.

A list reads a bounded look: so many candidates from where the page begins, however few of them match. A page says what
it looked at, and the next one goes on from there::

    3 found among the newest 10,000, back to 14:02 · Look further back
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, QueryDict

PAGE_SIZES = (20, 50, 100)
LARGEST_NUMBER = 2**63 - 1  # of a BIGINT


@dataclass(frozen=True, kw_only=True)
class Look:
    """How far a page looked: at ``looked`` candidates, at most ``most`` of them, of which it shows ``found``.

    ``reach`` is the time of the last one looked at. ``more``: the query (``?…``) of the page that goes on from there or
    from the last row shown; empty where nothing is left. ``filtered``: not every candidate is shown.
    """

    looked: int
    most: int
    found: int
    reach: datetime | None = None
    more: str = ""
    filtered: bool = False

    @property
    def ended_early(self) -> bool:
        """It stopped at its bound, not because the page was full or the list at its end."""
        return self.looked >= self.most


def page_size(query: QueryDict) -> int:
    """``?size=``, one of `PAGE_SIZES`; the smallest where nothing else is asked for."""
    asked = query.get("size", "")
    return int(asked) if asked in {str(size) for size in PAGE_SIZES} else PAGE_SIZES[0]


def number_of(text: str) -> int | None:
    """A whole number that a link of ours carries; None for an empty one. Raises Http404 for anything else."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST_NUMBER))):
        raise Http404("This page begins nowhere.")
    if (number := int(text)) > LARGEST_NUMBER:
        raise Http404("This page begins nowhere.")
    return number


def query_of(values: Mapping[str, Any]) -> str:
    """``?…`` of what is not None or empty; a list is repeated. Empty where nothing is left."""
    kept = {name: value for name, value in values.items() if value not in (None, "", [], ())}
    return f"?{urlencode(kept, doseq=True)}" if kept else ""
