"""Answers that all viewers of a process share for a moment: one asks the database, the others take what it got.

`Shared` is for few keys that the site itself has, `Recent` for keys that come from outside.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_PATIENCE_S = 1.0

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Shared(Generic[K, V]):
    """What ``compute`` answers for a key, kept for ``times`` times ``SHARED_FOR_S`` seconds.

    Keys are few, and values are not changed.

    While one viewer computes, the others wait for its answer; whoever waited a second asks for itself, so that one slow
    answer holds up nobody for longer.
    """

    def __init__(self, compute: Callable[[K], V], *, times: float = 1) -> None:
        self._compute = compute
        self._times = times
        self._lock = threading.Lock()
        self._kept: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V:
        found = self._fresh(key)
        if found:
            return found[1]
        locked = self._lock.acquire(timeout=_PATIENCE_S)
        try:
            found = self._fresh(key) if locked else None
            return found[1] if found else self._computed(key)
        finally:
            if locked:
                self._lock.release()

    def forget(self) -> None:
        """For what was changed a moment ago by this process; others see it when their moment is over."""
        self._kept = {}

    def _fresh(self, key: K) -> tuple[float, V] | None:
        kept = self._kept.get(key)
        return kept if kept and time.monotonic() - kept[0] < self._times * settings.SHARED_FOR_S else None

    def _computed(self, key: K) -> V:
        asked = time.monotonic()
        value = self._compute(key)
        self._kept[key] = (asked, value)
        return value


class Recent(Generic[K, V]):
    """The same for keys that come from outside: at most ``most`` are kept, and none for which there is no answer.

    Nobody waits for another: a key that is asked for by many at once is computed by each, once a moment.
    """

    def __init__(self, compute: Callable[[K], V | None], *, most: int) -> None:
        self._compute = compute
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[K, tuple[float, V]] = {}  # the one asked for longest ago first

    def get(self, key: K) -> V | None:
        kept = self._kept.get(key)
        if kept and time.monotonic() - kept[0] < settings.SHARED_FOR_S:
            return kept[1]
        asked = time.monotonic()
        value = self._compute(key)
        with self._lock:
            self._kept.pop(key, None)
            if value is not None:
                self._kept[key] = (asked, value)
            while len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
        return value

    def forget(self) -> None:
        """For what was changed a moment ago by this process; others see it when their moment is over."""
        with self._lock:
            self._kept = {}

    def __len__(self) -> int:
        return len(self._kept)
