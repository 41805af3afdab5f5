"""``manage.py commands list|show``: what the pages of commands show, for a shell."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from commands.forms.command_list import FilterForm
from commands.management import asked
from commands.management.console import CallError
from commands.management.following import FollowingCommand
from commands.reads import command_reads, shapes
from commands.reads.command_reads import CommandReads
from commands.rules.command_filter import id_range
from commands.rules.words import Status
from e2e_site.named_sql import Row
from e2e_site.options import Exit

MOST_LISTED = 1000
FILTERS = {
    "status": ("STATUS", f"{', '.join(Status)}; again for another"),
    "id": ("ID", "whole, or its beginning"),
    "behavior": ("TYPE", "its behavior type"),
    "code": ("TEXT", "its error code, whole"),
    "payload": ("JSON|TEXT", "a JSON object that its payload contains, or a part of the payload's text"),
    "from": ("TIME", "sent from then on: a time in UTC, or how long ago, as in 15min, 24h or 7d"),
    "to": ("TIME", "sent before then"),
    "type": ("TEXT", "its command type"),
    "attempts": ("N", "with at least so many attempts"),
    "correlation": ("UUID", "its correlation id"),
    "operation": ("N", "sent or changed by this operation"),
}


class Command(FollowingCommand):
    help = "List commands by a filter, or show one of them with its story."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|show")
        listing = actions.add_parser("list", help="those that a filter meets, newest first")
        for name, (metavar, text) in FILTERS.items():
            many = {"action": "append"} if name == "status" else {}
            listing.add_argument(f"--{name}", metavar=metavar, help=text, **many)  # type: ignore[arg-type]
        asked.add_domain(listing)
        asked.add_page(listing, MOST_LISTED)
        asked.add_json(listing)
        show = actions.add_parser("show", help="one of them: where it stands, what had to become of it, what happened")
        show.add_argument("id", metavar="ID", help="its id, or a beginning that no other id has")
        asked.add_wait(show, "wait for its end, and say whether it is the expected one")
        asked.add_json(show)

    def run(self, **options: Any) -> Exit:
        if options["action"] == "list":
            return self._list(options)
        command_id = _id_of(options["id"])
        return self.show(command_id, options) if options["wait"] is None else self.follow(command_id, options)

    def _list(self, options: dict[str, Any]) -> Exit:
        form = FilterForm(asked.query_of(options, (*FILTERS, "domain")), may_see=True)
        asked.check(form)
        chosen = form.chosen
        found = asked.page(lambda: CommandReads(chosen).page(options["limit"], before=options["cursor"]))
        if options["json"]:
            looked = found.looked or None
            items = [shapes.listed(row, chosen.domain) for row in found.rows]
            self.say_json({"items": items, "next": found.more or None, "looked": looked, "reach": found.reach})
            return Exit.DONE
        if found.rows:
            self.say_table(("ID", "SENT (UTC)", "STATUS", "ATTEMPTS", "BEHAVIOR", "ERROR"), map(_cells, found.rows))
        self.note_end(len(found.rows), found.looked, found.reach, found.more)
        return Exit.DONE


def _cells(row: Row) -> tuple[str, ...]:
    return (
        str(row["command_id"]),
        f"{row['created_at']:%Y-%m-%d %H:%M:%S}",
        Status.label_of(row["status"]),
        f"{row['attempts']}/{row['max_attempts']}",
        row["behavior"] or "",
        ": ".join(row[name] for name in ("code", "message") if row[name]),
    )


def _id_of(typed: str) -> UUID:
    """The id that is or begins so."""
    ids = id_range(typed)
    if ids is None:
        raise CallError(f"ID must be a command id or its beginning, hexadecimal digits and dashes, not {typed!r}.")
    found = command_reads.with_id(ids, limit=2)
    if not found:
        raise CallError(f"There is no command {typed}.")
    if len(found) > 1:
        raise CallError(f"Several commands' ids begin with {typed}: type more of it.")
    command_id: UUID = found[0]["command_id"]
    return command_id
