"""Is the site ready to serve? Asked by many, looked at by one, answered within `DEADLINE_S` whatever the database does.

The look is a thread's with a connection of its own, so it needs no place among the requests that wait for the database
(`e2e_site/limits.py`). Whoever asks meanwhile waits for the same look, and no longer than its deadline.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from django.core import checks
from django.db import connections

from commands.rules.readiness import UNREACHABLE, Readiness, readiness_of
from e2e_site import limits

logger = logging.getLogger(__name__)

DEADLINE_S = float(limits.HEALTH_S)
FRESH_S = 1.0

SILENT = readiness_of([(UNREACHABLE, f"The database did not answer within {DEADLINE_S:.0f} s.")])


def look() -> Readiness:
    """What Django's checks of the database say now."""
    with limits.at_most(DEADLINE_S):
        found = checks.run_checks(tags=[checks.Tags.database], databases=["default"])
    return readiness_of((str(message.id), f"{message.msg} {message.hint or ''}".strip()) for message in found)


class Prober:
    """Asks ``looks`` for all who want to know, one look at a time."""

    def __init__(self, looks: Callable[[], Readiness] = look) -> None:
        self._looks = looks
        self._lock = threading.Lock()
        self._running: Future[Readiness] | None = None
        self._began = -float("inf")
        self._known: Readiness | None = None

    def readiness(self, *, fresh_s: float = FRESH_S) -> Readiness:
        """As it was at most ``fresh_s`` seconds ago; waits for a look where nothing so fresh is known."""
        with self._lock:
            age = time.monotonic() - self._began
            if self._running is None and self._known is not None and age < fresh_s:
                return self._known
            if self._running is None:
                self._running, self._began, age = Future(), time.monotonic(), 0.0
                # A daemon: a look at a server that is frozen keeps no process from its end.
                threading.Thread(target=self._look, args=[self._running], name="readiness", daemon=True).start()
            running = self._running
        try:
            return running.result(timeout=max(0.0, DEADLINE_S - age))
        except TimeoutError:
            return SILENT

    def _look(self, answer: Future[Readiness]) -> None:
        try:
            found = self._looks()
        except BaseException as exc:  # noqa: BLE001 — whoever waits gets it
            with self._lock:
                self._running = None
            answer.set_exception(exc)
        else:
            with self._lock:
                self._running, before, self._known = None, self._known, found
            if found.is_ready is not (before is None or before.is_ready):
                _say(found)
            answer.set_result(found)
        finally:
            connections.close_all()  # of this thread, where a check used Django's


def _say(found: Readiness) -> None:
    if found.is_ready:
        logger.info("ready again", extra={"action": "ready"})
    else:
        why = [reason for check in found.checks for reason in check.reasons]
        logger.warning("not ready: %s", " ".join(why), extra={"action": "not_ready"})


prober = Prober()
