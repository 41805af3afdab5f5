"""Answers that wait for something, without a thread or a database connection while they wait.

A view that has nothing to say yet calls `later`. Our web server (`web_server`) then keeps the request, and performs it
again when what it waits for is there or its time is over; one thread asks for all requests that wait, in one statement
each tenth of a second. Another server has no such place: there the view's own thread looks again and again, and for no
longer than a request may take.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from django.db import Error, connections
from django.http import HttpRequest, HttpResponse

from e2e_site import limits
from e2e_site.texts import one_line

logger = logging.getLogger(__name__)

PLACE = "e2e_site.later"  # in a request's environment: what keeps it, or None where it waited already
LOOK_EVERY_S = 0.1
MOST_IN_A_THREAD_S = limits.REQUEST_S - 4.0
_ANSWER_WITHIN_S = 3.0
_SAID_AGAIN_AFTER_S = 30.0

K = TypeVar("K", bound=Hashable)
Ready = Callable[[Collection[Any]], Collection[Any]]


@dataclass(frozen=True, kw_only=True)
class Wait:
    """For ``key`` to be among those that ``ready`` answers for some keys; until ``time.monotonic()`` says so."""

    ready: Ready
    key: Hashable
    until: float


def later(
    request: HttpRequest, *, ready: Callable[[Collection[K]], Collection[K]], key: K, seconds: float
) -> HttpResponse | None:
    """None where there is nothing to wait for any more; else what the view has to return now.

    ``ready``: those of some keys whose waiting is over, in one statement; one function for all requests of a kind.
    """
    wait = Wait(ready=ready, key=key, until=time.monotonic() + seconds)
    if PLACE in request.META:
        keep = request.META[PLACE]
        return None if keep is None else keep(wait)
    until = min(wait.until, time.monotonic() + MOST_IN_A_THREAD_S)
    while time.monotonic() < until and not ready([key]):
        time.sleep(LOOK_EVERY_S)
    return None


class Waiting:
    """All that waits in this process; ``resume`` gets each when its time has come, in a thread of this object's."""

    def __init__(self, resume: Callable[[Any], object]) -> None:
        self._resume = resume
        self._changed = threading.Condition()
        self._waits: dict[Any, Wait] = {}
        self._said = -_SAID_AGAIN_AFTER_S
        self._thread: threading.Thread | None = None

    def add(self, waiter: Any, wait: Wait) -> None:
        with self._changed:
            self._waits[waiter] = wait
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="later", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self, waiter: Any) -> None:
        """It waits no longer: its client is gone."""
        with self._changed:
            self._waits.pop(waiter, None)

    def __len__(self) -> int:
        return len(self._waits)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waits:
                    connections.close_all()  # in this thread
                self._changed.wait_for(lambda: bool(self._waits))
                waits = dict(self._waits)
            over = self._over(waits)
            with self._changed:
                kept = [waiter for waiter in over if self._waits.pop(waiter, None) is not None]
            for waiter in kept:
                self._resume(waiter)
            time.sleep(LOOK_EVERY_S)

    def _over(self, waits: dict[Any, Wait]) -> list[Any]:
        """Those whose time is over, or that have what they wait for."""
        now = time.monotonic()
        over = {waiter for waiter, wait in waits.items() if wait.until <= now}
        by_kind: dict[Ready, list[Any]] = defaultdict(list)
        for waiter in waits.keys() - over:
            by_kind[waits[waiter].ready].append(waiter)
        for ready, waiters in by_kind.items():
            found = set(self._asked(ready, {waits[waiter].key for waiter in waiters}))
            over.update(waiter for waiter in waiters if waits[waiter].key in found)
        return list(over)

    def _asked(self, ready: Ready, keys: set[Hashable]) -> Collection[Any]:
        """Nothing where the database does not answer: it is asked again, and their time ends nevertheless."""
        try:
            with limits.at_most(_ANSWER_WITHIN_S):
                return ready(keys)
        except (Error, psycopg.Error) as exc:
            connections.close_all()
            if time.monotonic() - self._said > _SAID_AGAIN_AFTER_S:
                self._said = time.monotonic()
                logger.warning("Answers wait longer: %s", one_line(exc), extra={"action": "later_unanswered"})
            return ()
