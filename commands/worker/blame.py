"""Is what the server refuses to blame, or the moment?

A full disk, a read-only server, a function that is being replaced refuse everything. Then nothing that waits is at
fault, and it waits for longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

import psycopg

from e2e_site.database import ConnectionLostError

if TYPE_CHECKING:
    from e2e_site.database import Link

# SQLSTATE classes that no message and no outcome leads to: connection, transaction state (read-only for one),
# serialization and deadlock, resources, locks and states of objects, operators' interventions, the system.
_OF_THE_MOMENT = ("08", "25", "40", "53", "55", "57", "58")
_OUT_OF_MEMORY = "53200"  # may be for the size of one value
_TOO_MUCH = ("54", _OUT_OF_MEMORY, "XX000")  # XX000: an allocation that PostgreSQL refuses by its size

TRY_ENGINE: LiteralString = "SELECT commandbus.try_engine(%s)"


def is_of_the_moment(error: psycopg.Error) -> bool:
    """Whether the error alone says that the moment is to blame."""
    state = error.sqlstate or ""
    return state.startswith(_OF_THE_MOMENT) and state != _OUT_OF_MEMORY


def is_too_much(error: psycopg.Error) -> bool:
    """Whether less at a time may succeed."""
    return (error.sqlstate or "").startswith(_TOO_MUCH)


async def others_succeed(link: Link, domain: str) -> bool:
    """Whether the server, right now, receives and finishes commands that are known to be good."""
    try:
        return bool(await link.value(TRY_ENGINE, (domain,)))
    except (ConnectionLostError, psycopg.Error):
        return False
