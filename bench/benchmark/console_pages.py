"""The console's pages and fragments that are measured: first, deep, and with a filter that finds nothing. Pure.

An address may name what is in the database: ``{command}``, ``{parked}``, ``{event}``, ``{operation}``,
``{correlation}``, ``{prefix}`` of an id, and ``{middle}``, a time in the middle of the history.
"""

from collections.abc import Sequence
from dataclasses import dataclass

DEEP = 10  # pages further on


@dataclass(frozen=True, kw_only=True)
class Page:
    """``deep``: not this page but the one that is reached by going on from it `DEEP` times, or to its end."""

    name: str
    path: str
    deep: bool = False


def _pages(about: str, path: str, **filters: str) -> list[Page]:
    """A list: its first page, a deep one, and one for each filter."""
    return [
        Page(name=f"{about}, first", path=path),
        Page(name=f"{about}, deep", path=path, deep=True),
        *(Page(name=f"{about}, {name.replace('_', ' ')}", path=path + query) for name, query in filters.items()),
    ]


PAGES: Sequence[Page] = (
    Page(name="dashboard", path="/"),
    Page(name="dashboard, fragment", path="/live/"),
    Page(name="send", path="/send/"),
    Page(name="send many", path="/send/many/"),
    *_pages(
        "commands",
        "/commands/",
        until_the_middle="?to={middle}",
        completed="?status=COMPLETED",
        failed="?status=FAILED",
        parked="?status=IN_TROUBLESHOOTING_QUEUE",
        one_correlation_id="?correlation={correlation}",
        beginning_of_an_id="?id={prefix}",
        one_operation="?operation={operation}",
        no_such_code="?code=NO_SUCH_CODE",
        no_such_attempts="?attempts=99",
        failed_without_such_a_code="?status=FAILED&code=NO_SUCH_CODE",
        no_such_payload="?payload=%7B%22order%22%3A0%7D",
        no_such_text="?text=nowhere+to+be+found",
        everything_at_once="?status=COMPLETED&behavior=success&code=NO_SUCH_CODE&text=nowhere&to={middle}",
    ),
    Page(name="command", path="/commands/{command}/"),
    Page(name="command, fragment", path="/commands/{command}/live/"),
    Page(name="command in the TSQ", path="/commands/{parked}/"),
    *_pages(
        "TSQ",
        "/tsq/",
        no_such_code="?code=NO_SUCH_CODE",
        no_such_behavior="?behavior=timeout&code=NO_SUCH_CODE",
        no_such_text="?text=nowhere+to+be+found",
    ),
    Page(name="TSQ, groups", path="/tsq/groups/"),
    *_pages("queue", "/queue/"),
    Page(name="queue, fragment", path="/queue/live/"),
    *_pages(
        "audit",
        "/audit/",
        until_the_middle="?to={middle}",
        one_type="?event=BUSINESS_RULE_FAILED",
        no_such_operator="?operator=no-such-operator",
        no_such_text="?text=nowhere+to+be+found",
    ),
    Page(name="event", path="/audit/{event}/"),
    *_pages("operators' actions", "/audit/actions/", no_such_operator="?operator=no-such-operator"),
    *_pages("replies", "/replies/"),
    Page(name="rejected", path="/rejected/"),
    Page(name="operations", path="/operations/"),
    Page(name="operation", path="/operations/{operation}/"),
    Page(name="operation, fragment", path="/operations/{operation}/live/"),
)

TSQ_LIST, TSQ_GROUPS = "TSQ, first", "TSQ, groups"
EXPORT = "/commands/export/?format=csv"
