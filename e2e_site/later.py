"""An answer that comes when what is asked about is ready, or when its time is over."""

import time
from collections.abc import Callable, Collection
from typing import TypeVar

from django.http import HttpRequest, HttpResponse

from e2e_site import limits

K = TypeVar("K")
_LOOK_EVERY_S = 0.1
_LONGEST_S = limits.REQUEST_S - 4


def later(
    request: HttpRequest, *, ready: Callable[[Collection[K]], set[K]], key: K, seconds: float
) -> HttpResponse | None:
    """None once ``ready`` has ``key`` among those that it is asked about, or the time is over: then answer as it is."""
    until = time.monotonic() + min(seconds, _LONGEST_S)
    while time.monotonic() < until and key not in ready([key]):
        time.sleep(_LOOK_EVERY_S)
    return None
