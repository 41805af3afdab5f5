"""Giving way: a transaction that the server ended in favor of another one is done again, where it is all ours to do."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

import psycopg
from django.db import OperationalError
from psycopg.errors import DeadlockDetected, SerializationFailure

from e2e_site.options import SiteError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_PAUSES_S = (0.02, 0.05, 0.1, 0.2)


class SendConflictError(SiteError):
    """The server undid the sending in favor of another transaction; nothing of it was sent."""


def trying_again(send: Callable[[], T], *, whole_transaction: bool) -> T:
    """What ``send`` returns; after a deadlock or a serialization failure it is called again, five times in all.

    Not so where it is but a part of its caller's transaction: all of that is undone, and only the caller knows what it
    was. Raises SendConflictError.
    """
    for pause in _PAUSES_S if whole_transaction else ():
        try:
            return send()
        except (psycopg.OperationalError, OperationalError) as exc:
            if not _gave_way(exc):
                raise
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # no secret: two must not go on meeting
    try:
        return send()
    except (psycopg.OperationalError, OperationalError) as exc:
        if not _gave_way(exc):
            raise
        raise SendConflictError(_said(exc, whole_transaction=whole_transaction)) from exc


def _gave_way(exc: Exception) -> bool:
    """Whether the server asks for the transaction to be tried again. Django keeps its word in ``__cause__``."""
    return isinstance(exc if isinstance(exc, psycopg.Error) else exc.__cause__, DeadlockDetected | SerializationFailure)


def _said(exc: Exception, *, whole_transaction: bool) -> str:
    why = str(exc).splitlines()[0]
    if whole_transaction:
        return f"Nothing was sent: the database gave way to other transactions {len(_PAUSES_S) + 1} times ({why})."
    return f"The database undid this transaction in favor of another one ({why}): do all of it again."
