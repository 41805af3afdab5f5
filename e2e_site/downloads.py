"""Files that are sent piece by piece while they are made: long answers that may not keep the site from others.

The limits of a request end with its first piece: each later one gets limits of its own. A few at a time: each keeps a
thread of the web server, which itself cuts off a client that takes nothing.
"""

import logging
import threading
from collections.abc import Iterator
from typing import Self

from django.db import Error

from e2e_site import limits
from e2e_site.texts import one_line

logger = logging.getLogger(__name__)

AT_ONCE = 4

_under_way = threading.BoundedSemaphore(AT_ONCE)


class TooManyDownloadsError(Exception):
    """`AT_ONCE` are under way."""

    def __init__(self) -> None:
        super().__init__(f"{AT_ONCE} downloads are under way, which is as many as there may be: try again soon.")


class Download:
    """The pieces of one file. The first is made here, so that what is wrong is answered as on any page.

    A web server closes what it has sent, or could not send: then another may begin. Raises TooManyDownloadsError.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._open = _under_way.acquire(blocking=False)
        if not self._open:
            raise TooManyDownloadsError
        self._pieces = pieces
        try:
            self._first = next(pieces, None)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece, self._first = self._first, None
        if piece is None:
            piece = self._made()
        if piece is None:
            raise StopIteration
        return piece

    def _made(self) -> bytes | None:
        try:
            with limits.one_request():
                return next(self._pieces, None)
        except Error as exc:  # the client notices: the end of the answer is missing
            logger.warning("download broken off: %s", one_line(exc), extra={"action": "download_broken_off"})
            raise

    def close(self) -> None:
        if self._open:
            self._open = False
            _under_way.release()

    __del__ = close  # of an answer that no server came to send
