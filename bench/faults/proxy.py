"""A network between workers and server that a run can spoil: an asyncio TCP proxy in a thread of its own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Proxy:
    """``url``: the server's address by way of it."""

    def __init__(self, url: str) -> None:
        self.url = url


@contextmanager
def proxy_before(url: str) -> Iterator[Proxy]:
    """A running proxy before the server at this address."""
    yield Proxy(url)
