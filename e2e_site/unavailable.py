"""503: what a page says when its database cannot serve it, and what the log says then.

A visitor learns what it means for them. What the server said and what to do is for people who may see it: staff, and
everybody where DEBUG is on. Touches no database; only a missing table or function has the set-up looked at, since
otherwise that is a defect of ours.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from django.conf import settings
from django.core import checks
from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template import loader

from e2e_site import limits
from e2e_site.problem import is_for_api, problem
from e2e_site.texts import one_line

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 5
_SAID_AGAIN_AFTER_S = 30
_CHECKED_AGAIN_AFTER_S = 5


@dataclass(frozen=True)
class Trouble:
    heading: str
    explanation: str
    cure: str


_AWAY = Trouble(
    "The database does not answer",
    "The site cannot reach PostgreSQL just now. Commands that were sent are safe there, and workers go on as soon as "
    "it is back.",
    'Is the server running, and does DATABASE_URL lead to it? "manage.py setup" makes a database that is missing.',
)
_FULL = Trouble(
    "The database has no room",
    "PostgreSQL takes no more connections, or has no memory or disk left. Commands that were sent are safe there.",
    "It needs a higher max_connections or fewer workers and web servers; or memory, or disk.",
)
_BUSY = Trouble(
    "The database is too busy",
    f"It did not have the answer within {limits.STATEMENT_S} seconds, or another program holds what was asked for. "
    "Nothing was changed.",
    "pg_stat_activity and pg_locks show what runs, and who waits for whom.",
)
_READ_ONLY = Trouble(
    "The database takes no changes",
    "It is for reading only just now. Nothing was changed.",
    "DATABASE_URL leads to a standby, or default_transaction_read_only is on: it has to lead to the primary server.",
)
_REFUSED = Trouble(
    "The site is not set up",
    "Its database lacks something that this version of the site needs. Nothing was changed.",
    "",
)
_BY_SQLSTATE = {
    "57014": _BUSY,  # statement_timeout
    "55P03": _BUSY,  # lock_timeout
    "40001": _BUSY,
    "40P01": _BUSY,
    "25006": _READ_ONLY,
    "42501": Trouble(_REFUSED.heading, _REFUSED.explanation, "Grant the database user the right that it lacks."),
}
# How PostgreSQL and PgBouncer refuse a connection; libpq has no code for it.
_TOO_MANY = ("too many clients", "too many connections", "remaining connection slots", "no more connections allowed")
# A schema, table, column or function that is not there: the site's set-up, or a defect of ours.
_LACKING = {"3F000", "42P01", "42703", "42883"}


class DatabaseMiddleware:
    """The outermost that uses the database: limits for each request, and 503 where it cannot be served."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with limits.one_request():
            return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return unavailable(request, exception)


def unavailable(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """The answer where ``error`` means that the database cannot serve this request; None where it means a defect."""
    trouble = trouble_of(error)
    if error is None or trouble is None:
        return None
    _say(trouble, error)
    if is_for_api(request):
        response = problem(503, trouble.explanation)
    elif request.headers.get("HX-Request"):
        response = HttpResponse(trouble.heading, content_type="text/plain", status=503)  # the page keeps what it has
    else:
        context = {
            "trouble": trouble,
            "said": one_line(error) if _may_see(request) else "",
            # Where the answer was lost, the work may have been done.
            "unsure": trouble is _AWAY and request.method not in ("GET", "HEAD"),
        }
        response = HttpResponse(loader.get_template("503.html").render(context), status=503)
    response["Retry-After"] = str(RETRY_AFTER_S)
    # Django would add a line of its own for each request, and a traceback.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def trouble_of(error: BaseException | None) -> Trouble | None:
    """What an error of Django's or psycopg's means for the site; None where it is none, or a defect."""
    if not isinstance(error, (Error, psycopg.Error)):
        return None
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    sqlstate = getattr(cause, "sqlstate", None) or ""
    if sqlstate in _LACKING:
        lacks = _setup.lacks()
        return Trouble(_REFUSED.heading, _REFUSED.explanation, lacks) if lacks else None
    if sqlstate in _BY_SQLSTATE:
        return _BY_SQLSTATE[sqlstate]
    if sqlstate.startswith("53") or any(words in str(error) for words in _TOO_MANY):
        return _FULL
    away = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
    return _AWAY if isinstance(error, away) else None


def _may_see(request: HttpRequest) -> bool:
    """By a user who was looked up before the trouble; who would have to be looked up now is nobody."""
    user = getattr(request, "_cached_user", None)
    return settings.DEBUG or (user is not None and bool(user.is_staff))


class _SetUp:
    """What Django's checks of the database say, remembered for a moment: pages that ask every second would all ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found = ""
        self._looked = -float("inf")

    def lacks(self) -> str:
        """Sentences that say what is missing and what to run; empty where all is there."""
        with self._lock:
            if time.monotonic() - self._looked > _CHECKED_AGAIN_AFTER_S:
                found = checks.run_checks(tags=[checks.Tags.database], databases=["default"])
                self._found = " ".join(f"{message.msg} {message.hint or ''}".strip() for message in found)
                self._looked = time.monotonic()
            return self._found


_setup = _SetUp()
_last_said: dict[str, tuple[float, int]] = {}  # by heading: when, and how many since


def _say(trouble: Trouble, error: BaseException) -> None:
    """One line for the log, and no more than one in a while for each kind."""
    now = time.monotonic()
    said, since = _last_said.get(trouble.heading, (-float("inf"), 0))
    if now - said < _SAID_AGAIN_AFTER_S:
        _last_said[trouble.heading] = (said, since + 1)
        return
    _last_said[trouble.heading] = (now, 0)
    logger.warning(
        "503: %s: %s%s",
        trouble.heading,
        one_line(error),
        f" ({since} more since the last such line)" if since else "",
        extra={"action": "database_unavailable"},
    )
