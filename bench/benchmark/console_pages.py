"""The console's pages and fragments that are measured: first, deep, and with a filter that finds nothing. Pure.

An address may name what is in the database: ``{command}``, ``{parked}``, ``{event}``, ``{rejected}``, ``{operation}``,
``{correlation}``, ``{prefix}`` of an id, and ``{middle}``, a time in the middle of the history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

DEEP = 10  # pages further on


class Way(Enum):
    """How what is measured is found from the page of an address."""

    HERE = "it is that page"
    DEEP = "go on from it, `DEEP` times or to its end"
    FRAGMENT = "its part that is asked for again and again"


@dataclass(frozen=True, kw_only=True)
class Page:
    """``path``: an address of the console."""

    name: str
    path: str
    way: Way = Way.HERE


def _list(about: str, path: str, *, live: bool = False, **filters: str) -> list[Page]:
    """A list: its first page, a deep one, its live part, and one for each filter."""
    first = Page(name=f"{about}, first", path=path)
    deep = Page(name=f"{about}, deep", path=path, way=Way.DEEP)
    fragment = Page(name=f"{about}, fragment", path=path, way=Way.FRAGMENT)
    filtered = [Page(name=f"{about}, {name.replace('_', ' ')}", path=path + query) for name, query in filters.items()]
    return [first, deep, *([fragment] if live else []), *filtered]


def _live(about: str, path: str) -> list[Page]:
    return [Page(name=about, path=path), Page(name=f"{about}, fragment", path=path, way=Way.FRAGMENT)]


TSQ = "TSQ"
TSQ_LIST, TSQ_GROUPS = f"{TSQ}, first", f"{TSQ}, groups"
_NO_ID = "?id=00000000-0000-7000-8000-000000000000"
_NO_TEXT = "nowhere+to+be+found"

PAGES: Sequence[Page] = (
    *_live("dashboard", "/"),
    Page(name="send", path="/send/"),
    Page(name="send many", path="/send/many/"),
    *_list(
        "commands",
        "/commands/",
        live=True,
        until_the_middle="?to={middle}",
        completed="?status=COMPLETED",
        failed="?status=FAILED",
        canceled="?status=CANCELED",
        parked="?status=IN_TROUBLESHOOTING_QUEUE",
        waiting="?status=PENDING&status=IN_PROGRESS",
        one_correlation_id="?correlation={correlation}",
        beginning_of_an_id="?id={prefix}",
        one_operation="?operation={operation}",
        no_such_id=_NO_ID,
        no_such_code="?code=NO_SUCH_CODE",
        no_such_attempts="?attempts=99",
        no_such_type="?type=NoSuchCommand",
        failed_without_such_a_code="?status=FAILED&code=NO_SUCH_CODE",
        waiting_without_such_a_code="?status=PENDING&code=NO_SUCH_CODE",
        parked_without_such_a_payload=f"?status=IN_TROUBLESHOOTING_QUEUE&payload={_NO_TEXT}",
        no_such_payload="?payload=%7B%22order%22%3A0%7D",
        no_such_text=f"?payload={_NO_TEXT}",
        nothing_of_everything="?status=COMPLETED&behavior=success&code=NO_SUCH_CODE&payload=nowhere&to={middle}",
    ),
    *_live("command", "/commands/{command}/"),
    *_live("command in the TSQ", "/commands/{parked}/"),
    *_list(
        TSQ,
        "/tsq/",
        no_such_code="?code=NO_SUCH_CODE",
        no_such_behavior="?behavior=timeout&code=NO_SUCH_CODE",
        no_such_text=f"?text={_NO_TEXT}",
    ),
    Page(name=TSQ_GROUPS, path="/tsq/groups/"),
    *_list("queue", "/queue/", live=True, running="?state=running"),
    *_list(
        "audit",
        "/audit/",
        until_the_middle="?to={middle}",
        one_type="?event=BUSINESS_RULE_FAILED",
        one_command="?id={command}",
        no_such_command=_NO_ID,
        no_such_operator="?operator=no-such-operator",
        no_such_text=f"?text={_NO_TEXT}",
        no_such_text_of_one_type=f"?event=LATE_COMPLETED&text={_NO_TEXT}",
    ),
    Page(name="event", path="/audit/{event}/"),
    *_list("operators' actions", "/audit/actions/", no_such_operator="?operator=no-such-operator"),
    *_list("replies", "/replies/", no_such_command=_NO_ID),
    *_list("rejected", "/rejected/"),
    Page(name="rejected, to mend", path="/rejected/{rejected}/"),
    *_list("operations", "/operations/", live=True),
    *_live("operation", "/operations/{operation}/"),
)

EXPORT = "/commands/export/?format=csv"
