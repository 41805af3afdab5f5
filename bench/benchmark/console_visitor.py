"""A program that visits the console's pages as a person with all rights, and says what each cost.

``pages``: each of them so many times, in turn. ``export``: rows of the export, as a stream. ``many``: the pages of the
troubleshooting queue, then a retry of all that is in it and a bulk send, worked off as a worker does it. The views run
in this process, which times them.
"""

import argparse
import html
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import psycopg
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from bench.benchmark.console_pages import DEEP, EXPORT, PAGES, TSQ, Page, Way
from bench.figures import percentile
from bench.programs import own_peak_mb
from commands.bus.operations import WORK, Mix, ParkedFilter, operate_on, send_many
from commands.bus.operators import Action
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import OperationKind
from e2e_site.database import connection_params

OPERATOR = "bench"
_NEXT = re.compile(r'href="([^"]*[?&;](?:before|after)=[^"]*)"')
_FRAGMENT = re.compile(r'data-live[^>]* hx-get="([^"]*)"')
_KNOWN = """
    SELECT (SELECT command_id FROM commandbus.command WHERE status = 'COMPLETED' LIMIT 1) AS command,
           (SELECT command_id FROM commandbus.parked LIMIT 1) AS parked,
           (SELECT correlation_id FROM commandbus.command LIMIT 1) AS correlation,
           (SELECT left(command_id::TEXT, 8) FROM commandbus.command OFFSET 1 LIMIT 1) AS prefix,
           (SELECT max(operation_id) FROM public.e2e_operation) AS operation, max(audit_id) / 2 AS event,
           (SELECT max(audit_id) FROM commandbus.audit
            WHERE domain = 'test' AND event_type = 'MESSAGE_REJECTED') AS rejected,
           (SELECT to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI') FROM commandbus.audit
            WHERE audit_id >= (SELECT max(audit_id) / 2 FROM commandbus.audit) ORDER BY audit_id LIMIT 1) AS middle
    FROM commandbus.audit
"""


@dataclass(kw_only=True)
class Visits:
    """What visits to one page cost. ``slowest_ms``: of a single statement."""

    name: str
    path: str
    status: int = 0
    ms: list[float] = field(default_factory=list)
    queries: int = 0
    slowest_ms: float = 0.0
    slowest: str = ""

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Django's wrapper around each statement."""
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self._statements += 1
            if (took := (time.perf_counter() - began) * 1000) > self.slowest_ms:
                self.slowest_ms, self.slowest = took, " ".join(sql.split())[:200]

    def visit(self, client: Client) -> None:
        self._statements = 0
        began = time.perf_counter()
        with connection.execute_wrapper(self):
            response = client.get(self.path)
            b"".join(response)
        self.ms.append((time.perf_counter() - began) * 1000)
        self.status, self.queries = response.status_code, max(self.queries, self._statements)

    def forget(self) -> None:
        """What was measured so far was to warm up."""
        self.ms, self.queries, self.slowest_ms = [], 0, 0.0

    def told(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "path": self.path,
            "status": self.status,
            "median": percentile(self.ms, 50),
            "p95": percentile(self.ms, 95),
            "queries": self.queries,
            "statement": self.slowest_ms,
            "sql": self.slowest,
        }


def pages(visits: int, only: str = "") -> list[dict[str, Any]]:
    """What each page cost whose name begins so; each is visited once before, which does not count."""
    client, known = _visitor(), _known()
    found = [Visits(name=page.name, path=_address(page, client, known)) for page in PAGES if page.name.startswith(only)]
    for one in found:
        one.visit(client)
        one.forget()
    for _ in range(visits):
        for one in found:
            one.visit(client)
    return [one.told() for one in found]


def export(rows: int) -> dict[str, Any]:
    """So many rows at most, read as they come."""
    client = _visitor()
    began = time.monotonic()
    response = client.get(EXPORT)
    lines = 0
    for piece in response:
        lines += piece.count(b"\n")
        if lines > rows:
            break
    response.close()
    seconds = time.monotonic() - began
    return {"status": response.status_code, "rows": max(0, lines - 1), "seconds": seconds, "peak_mb": own_peak_mb()}


def retry() -> dict[str, Any]:
    """All that is parked, by one operation."""
    action = Action(kind=OperationKind.RETRY, operator=OPERATOR, reason="measured")
    with _timed_operation() as answer:
        operate_on(ParkedFilter(until=timezone.now()), action)
    return answer


def send(count: int) -> dict[str, Any]:
    """So many of two behaviors, by one operation."""
    parts = [(Behavior(type=BehaviorType.SUCCESS), 9.0), (Behavior(type=BehaviorType.FAIL_PERMANENT), 1.0)]
    with _timed_operation() as answer:
        send_many(Mix(parts=parts, count=count, seed=1), operator=OPERATOR)
    return answer


@contextmanager
def _timed_operation() -> Iterator[dict[str, Any]]:
    """Work off the operation that is asked for inside: ``done`` commands in ``seconds``."""
    answer: dict[str, Any] = {}
    yield answer
    began = time.monotonic()
    done = 0
    with psycopg.connect(**connection_params(), autocommit=True) as conn:
        while (row := conn.execute(WORK).fetchone()) and row[0]["operation"] is not None:
            done = row[0]["done"]
    answer |= {"done": done, "seconds": time.monotonic() - began}


def _visitor() -> Client:
    user, _ = User.objects.get_or_create(username=OPERATOR, is_staff=True, is_superuser=True)
    client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1")
    client.force_login(user)
    return client


def _known() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN)
        return dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))


def _address(page: Page, client: Client, known: dict[str, Any]) -> str:
    """Where the page is: a deep one is found as a person finds it, by going on, and a fragment by its page."""
    path = page.path.format_map(known)
    if page.way is Way.FRAGMENT:
        found = _FRAGMENT.search(client.get(path).content.decode())
        return urljoin(path, html.unescape(found[1])) if found else f"{path}no-fragment/"
    for _ in range(DEEP if page.way is Way.DEEP else 0):
        links = [link for link in _NEXT.findall(client.get(path).content.decode()) if "format=" not in link]
        if not links:
            break
        path = urljoin(path, html.unescape(links[-1]))
    return path


def main(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["pages", "export", "many"])
    parser.add_argument("--visits", type=int, default=1)
    parser.add_argument("--count", type=int, default=1)
    options = parser.parse_args(arguments)
    match options.what:
        case "pages":
            return {"pages": pages(options.visits)}
        case "export":
            return export(options.count)
        case _:
            return {"pages": pages(options.visits, TSQ), "retry": retry(), "send": send(options.count)}
