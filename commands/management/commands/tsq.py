"""``manage.py tsq list|groups|retry|cancel|complete``: the troubleshooting queue, and what an operator does to it."""

from argparse import ArgumentParser
from typing import Any

from commands.forms.operating import FORMS
from commands.forms.parked import WITHOUT, FilterForm
from commands.management import asked
from commands.management.acting import ActingCommand
from commands.models import Domain
from commands.reads import parked, shapes
from commands.reads.parked import MOST_GROUPS
from commands.rules.operating import EFFECTS
from commands.rules.words import DOMAIN, OperationKind
from e2e_site.named_sql import Row
from e2e_site.options import SECONDS, Exit

MOST_LISTED = 1000
FILTERS = {
    "code": ("TEXT", f"its error code, whole, or {WITHOUT}"),
    "error_type": ("TEXT", f"TRANSIENT, PERMANENT or {WITHOUT}"),
    "behavior": ("TYPE", f"its behavior type, or {WITHOUT}"),
    "text": ("TEXT", "a part of its error message"),
    "from": ("TIME", "parked from then on, in UTC, as in 2026-05-01T14:30"),
    "to": ("TIME", "parked up to then"),
}


class Command(ActingCommand):
    help = "List the troubleshooting queue or its groups; retry, cancel or complete what is in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|groups|retry|cancel|complete")
        listing = actions.add_parser("list", help="those that a filter meets, parked last first")
        _add_filters(listing)
        asked.add_page(listing, MOST_LISTED)
        groups = actions.add_parser("groups", help="how many of each error code and behavior")
        for kind in FORMS:
            self._add_action(actions.add_parser(kind.value, help=EFFECTS[kind]), kind)
        for each in (listing, groups):
            asked.add_domain(each)
            asked.add_json(each)

    def _add_action(self, parser: ArgumentParser, kind: OperationKind) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID", help="whole ids; - reads them from stdin")
        parser.add_argument("--matching", action="store_true", help="all that the filter meets")
        parser.add_argument("--all", action="store_true", help="all that are parked")
        _add_filters(parser)
        asked.add_operator(parser)
        parser.add_argument("--rate", metavar="N", help="no faster, commands a second")
        if kind == OperationKind.RETRY:
            asked.add_behavior(parser, "--as", what="another behavior in place of theirs")
            parser.add_argument("--payload", metavar="JSON", help="another payload in place of theirs; @FILE, -")
            parser.add_argument("--max-attempts", metavar="N", help="let them have at least so many attempts")
            parser.add_argument(
                "--canary", metavar="PERCENT", help="begin with one, then ten; stop where more of them fail"
            )
        if kind == OperationKind.COMPLETE:
            parser.add_argument("--result", metavar="JSON", help="stored and replied (null); @FILE, -")
        parser.add_argument("--yes", action="store_true", help="do not ask whether so many are meant")
        parser.add_argument(
            "--max-wait", type=SECONDS, metavar="SECONDS", help="leave what is not over by then to workers; exit code 3"
        )
        asked.add_domain(parser)
        asked.add_json(parser)

    def run(self, **options: Any) -> Exit:
        options["domain"] = Domain.objects.known(options["domain"] or DOMAIN)
        match options["action"]:
            case "list":
                return self._list(options)
            case "groups":
                return self._groups(options)
            case kind:
                return self.act(OperationKind(kind), options, FILTERS)

    def _list(self, options: dict[str, Any]) -> Exit:
        form = FilterForm(asked.query_of(options, FILTERS))
        asked.check(form)
        place = asked.page(lambda: parked.place_of(options["cursor"]))
        found = parked.page(options["domain"], form.chosen(parked.END_OF_TIME), place, options["limit"])
        goes_on = parked.place_text(*found.goes_on) if found.goes_on else ""
        if options["json"]:
            items = [shapes.parked(row) for row in found.rows]
            more = {"next": goes_on or None, "looked": found.looked or None, "reach": found.reach}
            self.say_json({"items": items, **more})
            return Exit.DONE
        if found.rows:
            self.say_table(("ID", "PARKED (UTC)", "ATTEMPTS", "BEHAVIOR", "ERROR"), map(_cells, found.rows))
        self.note_end(len(found.rows), found.looked, found.reach, goes_on)
        return Exit.DONE

    def _groups(self, options: dict[str, Any]) -> Exit:
        now = parked.moment(options["domain"])["now"]
        found = parked.groups(options["domain"], now)
        shown = found[:MOST_GROUPS]
        if options["json"]:
            items = [shapes.group(row) for row in shown]
            self.say_json({"items": items, "cut": len(found) > MOST_GROUPS})
            return Exit.DONE
        if shown:
            self.say_table(("COUNT", "ERROR CODE", "BEHAVIOR", "OLDEST (UTC)", "NEWEST (UTC)"), map(_group, shown))
        self.note_end(len(shown), 0, None, "")
        if len(found) > MOST_GROUPS:
            self.note(f"There are more: these are the {MOST_GROUPS} largest.")
        return Exit.DONE


def _add_filters(parser: ArgumentParser) -> None:
    for name, (metavar, text) in FILTERS.items():
        parser.add_argument(asked.option_of(name), metavar=metavar, help=text)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        str(row["command_id"]),
        f"{row['parked_at']:%Y-%m-%d %H:%M:%S}",
        f"{row['attempts']}/{row['max_attempts']}",
        row["behavior"] or "",
        ": ".join(row[name] for name in ("error_code", "message") if row[name]),
    )


def _group(row: Row) -> tuple[str, ...]:
    times = (f"{row[name]:%Y-%m-%d %H:%M:%S}" for name in ("oldest", "newest"))
    return (f"{row['count']:,}", row["error_code"] or WITHOUT, row["behavior"] or WITHOUT, *times)
