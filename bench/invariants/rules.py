"""The rules of ``invariants.sql``: what each says, when it may be asked, and its query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal, LiteralString

from commands.rules.words import DOMAIN, archive_table, command_queue, queue_table, reply_queue
from e2e_site.named_sql import NamedSql

# The tables that the rules read, in the order in which they are made, and what is asked of them.
TABLES = ("event", "attempt", "story", "message", "rejected", "reply", "told", "done", "analyze")
OTHERS = ("counts", "depth", "words")

_SQL = NamedSql(Path(__file__).with_name("invariants.sql"))
_TOLD = re.compile(r"^-- (rule|when|of|needs|known): (.*)\n", re.MULTILINE)


class Needs(StrEnum):
    """Without what a rule is not asked."""

    NOTHING = ""
    LEDGER = "ledger"  # the ledgers of a run
    ALONE = "alone"  # a run that has its database alone
    STRICT = "strict"  # no lease ran out, no worker died
    TOLERANT = "tolerant"  # the contrary


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One rule. ``of``: what it counts as checked. ``known``: deviations of the library's worker that break it."""

    id: str
    text: str
    when: Literal["A", "Q"]
    of: str
    needs: Needs
    known: tuple[str, ...]

    def query(self, domain: str) -> LiteralString:
        """Lists ``command_id`` and ``detail`` of what breaks it; its values are psycopg's ``%(name)s``."""
        return _TOLD.sub("", statement(self.id, domain)).rstrip(";\n ")  # as literal as the file is

    def shown(self, domain: str) -> str:
        """The query for people."""
        return self.query(domain).replace("%%", "%")


def statement(name: str, domain: str) -> LiteralString:
    """The statement of that name, on the tables of a domain."""
    commands, replies = command_queue(domain), reply_queue(domain)
    return _SQL.text(
        name,
        queue=queue_table(commands),
        archive=archive_table(commands),
        replies=queue_table(replies),
        taken=archive_table(replies),
    )


@cache
def specs() -> tuple[Spec, ...]:
    """All rules, in the order of the file."""
    return tuple(_spec(name) for name in _SQL.names if name not in (*TABLES, *OTHERS))


def _spec(name: str) -> Spec:
    told: dict[str, Any] = dict(_TOLD.findall(statement(name, DOMAIN)))
    return Spec(
        id=name,
        text=told["rule"],
        when=told["when"],
        of=told["of"],
        needs=Needs(told.get("needs", "")),
        known=tuple(told.get("known", "").split()),
    )
