"""How long a request may wait for the database, and how many requests may wait for it at once.

PostgreSQL's own limits (``STATEMENT_S``, ``LOCK_S``) end a statement that takes too long. A server that is frozen, or
behind a network that is, never says so: past ``REQUEST_S`` the connection is given up here. Requests that wait leave
some of the web server's threads to pages that need no database. `e2e_site/backend` applies all of this; outside of a
request, in management commands and workers, none of it holds.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from django.db import OperationalError
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

STATEMENT_S = 10
LOCK_S = 3
REQUEST_S = 12  # more than a statement may take, so that the server's own word comes first
CONNECT_S = 5
HEALTH_S = 3
THREADS = 16  # of the web server
_PLACES = THREADS - 4
_PLACE_WITHIN_S = 1
_LOOK_EVERY_S = 0.1  # for Ctrl-C, as psycopg does

T = TypeVar("T")


@dataclass
class _Request:
    deadline: float
    has_place: bool = False


class _Places:
    """A few requests at a time; the others wait only while places change hands, since where none does none will."""

    def __init__(self, places: int) -> None:
        self._free = threading.BoundedSemaphore(places)
        self._changed = 0.0

    def take(self) -> bool:
        """Take a place; False where none became free in time."""
        patience = self._changed + _PLACE_WITHIN_S - time.monotonic()
        taken = self._free.acquire(blocking=False) or (patience > 0 and self._free.acquire(timeout=patience))
        if taken:
            self._changed = time.monotonic()
        return taken

    def release(self) -> None:
        self._changed = time.monotonic()
        self._free.release()


_request: ContextVar[_Request | None] = ContextVar("request", default=None)
_places = _Places(_PLACES)


@contextmanager
def one_request() -> Iterator[None]:
    """The limits hold for whatever uses Django's database meanwhile."""
    request = _Request(time.monotonic() + REQUEST_S)
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)
        if request.has_place:
            _places.release()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """The same for one thing that should be quick, in a request or not; it needs no place."""
    left = seconds_left()
    token = _request.set(_Request(time.monotonic() + min(seconds, seconds if left is None else left), has_place=True))
    try:
        yield
    finally:
        _request.reset(token)


def seconds_left() -> float | None:
    """How long the present request may still wait; None outside of requests."""
    request = _request.get()
    return None if request is None else request.deadline - time.monotonic()


def connect_timeout(params: dict[str, Any]) -> dict[str, Any]:
    """psycopg's ``params`` with no more time to connect than the present request has left; two seconds at least."""
    left = seconds_left()
    return params if left is None else {**params, "connect_timeout": min(CONNECT_S, max(2, int(left)))}


def take_place() -> None:
    """Before a request uses the database: raises OperationalError where it has no time left, or no place is free."""
    request = _request.get()
    if request is None:
        return
    if time.monotonic() > request.deadline:
        raise OperationalError(f"the database did not answer this request within {REQUEST_S} s")
    if not request.has_place:
        if not _places.take():
            raise OperationalError(f"{_PLACES} requests wait for the database already")
        request.has_place = True


class LimitedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not answer while the request may wait."""

    def wait(self, gen: PQGen[T], interval: float = _LOOK_EVERY_S, timeout: float | None = None) -> T:
        left = seconds_left()
        if left is None or timeout is not None:
            return super().wait(gen, interval, timeout)
        until = time.monotonic() + max(0.5, left)  # a commit or a rollback at the very end may still be answered
        try:
            return super().wait(gen, interval, until - time.monotonic())
        except psycopg.OperationalError:
            if time.monotonic() < until or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()  # the answer that never came must not meet the next statement
            raise psycopg.OperationalError("the server did not answer in time") from None
