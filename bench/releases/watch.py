"""``runworker --handlers bench.releases.watch`` of a release that has no ``--around``: its own handler, witnessed.

It runs inside the release, with the release's modules: what it imports is there too (`bench.releases.kept.BESIDE`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.witness import around
from commands.rules.words import COMMAND_TYPE, DOMAIN

if TYPE_CHECKING:
    from commandbus import HandlerRegistry

UNSENT = "BenchUnsent"  # a module of handlers has to register one


def register(registry: HandlerRegistry) -> None:
    """Have the release's handler of test commands witnessed."""
    handler = registry.get_or_raise(DOMAIN, COMMAND_TYPE)
    registry.register(DOMAIN, UNSENT, handler)
    # The library has no way to change a handler. The release registers its own before it asks us, and reads it after.
    registry._handlers[(DOMAIN, COMMAND_TYPE)] = around(handler)
