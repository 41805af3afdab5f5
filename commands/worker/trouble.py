"""A trouble that lasts: said once when it begins, once when it is over."""

from __future__ import annotations

import logging

from e2e_site.texts import one_line

logger = logging.getLogger(__name__)


class Trouble:
    """What a worker cannot do at the moment: of ``"receive"`` the log has ``receive_failed`` and ``receive_again``."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lasts = False

    @property
    def lasts(self) -> bool:
        return self._lasts

    def met(self, error: Exception) -> None:
        """The server refused it."""
        if not self._lasts:
            self._lasts = True
            reason = one_line(error)
            logger.error("cannot %s, trying again: %s", self._what, reason, extra={"action": f"{self._what}_failed"})

    def over(self) -> None:
        """It succeeded."""
        if self._lasts:
            self._lasts = False
            logger.info("can %s again", self._what, extra={"action": f"{self._what}_again"})
