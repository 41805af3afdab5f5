"""Who may do what: every address of the site and every operation of the API, for each visitor that may come.

The tables say what each address needs, and `expected` what comes of that for whom. An address that is not in them fails
the first test: a page is a line in `PAGES`, an operation of the API one in `OPERATIONS`, a model of the admin one in
`ADMIN`. Only whether a request is let in is told here: whatever else is wrong with it is said after that.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django.fixtures import Settings

from commands.api.root import api
from e2e_site.roles import TOKEN_RIGHTS
from tests.support.api import token_of

pytestmark = pytest.mark.django_db

SEND, OPERATE, _, CONFIGURE, RUN, CHECK = TOKEN_RIGHTS

# What an address needs, beside the permissions by their names:
ALL = "nothing"
READERS = "a login, unless reading is open"
USERS = "a login"
NOBODY = "it takes no such request"
NONE = "nobody is let in"


@dataclass(frozen=True)
class Access:
    """What it needs to be looked at, and to be changed by; ``hides``: to who may not, it is not there."""

    see: str
    change: str = NOBODY
    hides: bool = False


READ = Access(READERS)


def form(permission: str) -> Access:
    return Access(permission, permission)


def button(permission: str) -> Access:
    return Access(NOBODY, permission)


PAGES: Mapping[str, Access] = {
    "": READ,
    "live/": READ,
    "charts/live/": READ,
    "send/": form(SEND),
    "send/outlooks/": Access(SEND),
    "send/many/": form(SEND),
    "send/many/outlook/": Access(SEND),
    "commands/": READ,
    "commands/live/": READ,
    "commands/find/": READ,
    "commands/export/": READ,
    "commands/<command_id:command_id>/": READ,
    "commands/<command_id:command_id>/live/": READ,
    "commands/<command_id:command_id>/raw/<raw_part:part>/": READ,
    "tsq/": READ,
    "tsq/groups/": READ,
    "tsq/act/": form(OPERATE),
    "queue/": READ,
    "queue/live/": READ,
    "queue/paused/": button(CONFIGURE),
    "queue/<command_id:command_id>/cancel/": form(OPERATE),
    "operations/": READ,
    "operations/live/": READ,
    "operations/<int:operation_id>/": READ,
    "operations/<int:operation_id>/live/": READ,
    "operations/<int:operation_id>/cancel/": button(SEND),  # of a bulk send, as the one of this test
    "audit/": READ,
    "audit/export/": READ,
    "audit/actions/": READ,
    "audit/<int:audit_id>/": READ,
    "replies/": READ,
    "replies/act/": button(OPERATE),
    "rejected/": READ,
    "rejected/<int:audit_id>/": form(OPERATE),
    "microscope/<command_id:command_id>/": READ,
    "loadtests/": READ,
    "loadtests/<int:run_id>/": READ,
    "loadtests/<int:run_id>/live/": READ,
    "runs/": READ,
    "runs/live/": READ,
    "runs/new/": form(RUN),
    "runs/compare/": READ,
    "runs/<int:run_id>/": READ,
    "runs/<int:run_id>/live/": READ,
    "runs/<int:run_id>/cancel/": button(RUN),
    "runs/<int:run_id>/again/": button(RUN),
    "runs/check/": Access(READERS, CHECK),
    "settings/": READ,  # leads to the admin
    "tokens/": form(USERS),
    "tokens/all/": Access("e2e_site.view_apitoken"),
    "tokens/<int:token_id>/revoke/": Access("e2e_site.change_apitoken", "e2e_site.change_apitoken", hides=True),
    "views/": Access(USERS),
    "views/save/": Access(NOBODY, USERS),
    "views/<int:view_id>/": Access(NOBODY, USERS, hides=True),
    "times/": Access(NOBODY, ALL),
    "keys/": Access(ALL),
    "login/": Access(ALL, ALL),
    "logout/": Access(NOBODY, ALL),
    "api/v1/docs": Access(ALL, ALL),
    "api/v1/openapi.json": Access(ALL, ALL),
    "api/v1/": Access(ALL, ALL),
    "api/v1/^.*$": Access(ALL, ALL),  # answers that there is nothing
}

# For machines, whoever is logged in: test_health.py and test_metrics.py tell who is let in.
PROBES = {"healthz", "readyz", "metrics"}

# Operations of the API, by operation_id: what each needs.
OPERATIONS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "list_commands",
            "get_command",
            "get_command_raw",
            "search_audit",
            "get_audit",
            "list_domains",
            "get_health",
            "list_parked",
            "list_parked_groups",
            "list_operations",
            "get_operation",
            "list_queue",
            "list_replies",
            "list_rejected",
            "get_rejected",
            "get_config",
            "list_workers",
            "list_load_tests",
            "get_load_test",
            "get_overview",
            "get_recent_activity",
            "get_throughput",
            "get_latency",
            "get_queue_depth",
            "get_newest_load_test",
            "list_runs",
            "get_run",
            "get_run_report",
            "compare_runs",
            "list_scenarios",
            "get_scenario",
            "get_verdict",
        ),
        READERS,
    ),
    "send_command": SEND,
    "send_commands": SEND,
    "cancel_operation": SEND,  # of a bulk send, as the one of this test
    **dict.fromkeys(("retry_parked", "cancel_parked", "complete_parked"), OPERATE),
    **dict.fromkeys(("retry_many_parked", "cancel_many_parked", "complete_many_parked"), OPERATE),
    **dict.fromkeys(("cancel_waiting", "take_reply", "restore_reply", "send_rejected"), OPERATE),
    "change_config": CONFIGURE,
    **dict.fromkeys(("start_run", "cancel_run"), RUN),
    "make_verdict": CHECK,
}

# Models in the admin: what each role may do with rows. Who may nothing in the admin is asked to log in.
VIEW = {"viewer": "view", "operator": "view", "admin": "view"}
ADMIN: Mapping[str, Mapping[str, str]] = {
    "commands/testcommand": {"viewer": "view", "operator": "view add", "admin": "view add delete"},
    "commands/command": VIEW,
    "commands/auditevent": VIEW,
    "settings_app/configuration": {**VIEW, "admin": "view change"},
    "bench/loadrun": {**VIEW, "admin": "view delete"},
    "bench/benchrun": VIEW,
    "auth/user": {"admin": "view add change delete"},
    "auth/group": {"admin": "view"},
}
# What the admin's pages of a model need: to be looked at, and to be changed by, where they change anything.
ADMIN_PAGES: Mapping[str, tuple[str, str]] = {
    "": ("view", ""),
    "add/": ("add", "add"),
    "<path:object_id>/change/": ("view", "change"),
    "<path:object_id>/history/": ("view", ""),
    "<path:object_id>/delete/": ("delete", "delete"),
    "<path:object_id>/": (USERS, ""),  # leads to the page of changes
    "<id>/password/": ("change", "change"),
    "1/reset/": ("change", "change"),
    "1/workers/": ("view", ""),
}
# The admin's other pages: who is in the admin at all is let in, but where it says so.
ADMIN_OTHERS: Mapping[str, str] = {
    "": USERS,
    "login/": ALL,
    "logout/": USERS,
    "password_change/": USERS,
    "password_change/done/": USERS,
    "autocomplete/": NONE,
    "jsi18n/": USERS,
    "r/<path:content_type_id>/<path:object_id>/": USERS,
    "^(?P<app_label>auth|commands|settings_app|bench)/$": USERS,
    "(?P<url>.*)$": USERS,
}


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who comes: in a ``role``, without one ("none"), by a token that is good for ``scopes``, or anonymously."""

    role: str = ""
    scopes: tuple[str, ...] | None = None
    reading_open: bool = False
    read_only: bool = False

    sees_pages: bool = True
    sees_admin: bool = True

    @property
    def anonymous(self) -> bool:
        """To pages, which know no tokens."""
        return not self.role


# Who differs from another in nothing that pages or the admin look at leaves them out: it is many requests.
VISITORS: Mapping[str, Visitor] = {
    "anonymous, reading open": Visitor(reading_open=True, sees_admin=False),
    "anonymous, reading closed": Visitor(),
    "a user without rights": Visitor(role="none"),
    "viewer": Visitor(role="viewer"),
    "operator": Visitor(role="operator"),
    "admin": Visitor(role="admin"),
    "anonymous, READ_ONLY": Visitor(reading_open=True, read_only=True, sees_admin=False),
    "admin, READ_ONLY": Visitor(role="admin", read_only=True, sees_pages=False, sees_admin=False),
    "superuser, READ_ONLY": Visitor(role="superuser", read_only=True),
    "token for reading": Visitor(scopes=(), sees_pages=False, sees_admin=False),
    "token for sending": Visitor(scopes=(SEND,), sees_admin=False),
    "token for operating": Visitor(scopes=(OPERATE,), sees_pages=False, sees_admin=False),
    "token for settings": Visitor(scopes=(CONFIGURE,), sees_pages=False, sees_admin=False),
    "token for checks": Visitor(scopes=(CHECK,), sees_pages=False, sees_admin=False),
    "token for all, READ_ONLY": Visitor(
        scopes=(SEND, OPERATE, CONFIGURE), read_only=True, sees_pages=False, sees_admin=False
    ),
}
IN, LOGIN, REFUSED, HIDDEN, NOT_TAKEN = "let in", "asked to log in", "refused", "hidden", "method not taken"
RIGHTS: Mapping[str, set[str]] = {
    "none": set(),
    "viewer": set(),
    "operator": {SEND, OPERATE, RUN},
    "admin": {SEND, OPERATE, CONFIGURE, RUN, CHECK, "e2e_site.view_apitoken", "e2e_site.change_apitoken"},
}


def may(visitor: Visitor, permission: str) -> bool:
    if visitor.read_only and ".view_" not in permission:
        return False
    if visitor.scopes is not None:
        return permission in visitor.scopes
    return visitor.role == "superuser" or permission in RIGHTS[visitor.role]


def expected(need: str, visitor: Visitor, *, changes: bool, hides: bool = False) -> str:
    """What comes of a request of a visitor who is logged in, or calls the API with a token."""
    if visitor.read_only and changes:
        return REFUSED
    if need == NOBODY:
        return NOT_TAKEN
    if need in (USERS, READERS) or may(visitor, need):
        return IN
    return HIDDEN if hides and not visitor.read_only else REFUSED


def expected_of_anonymous(need: str, visitor: Visitor, *, changes: bool, hides: bool = False) -> str:
    """The same for one of whom nobody knows who it is."""
    if visitor.read_only and changes:
        return REFUSED
    if changes or not visitor.reading_open:
        return LOGIN
    if need in (NOBODY, READERS):
        return NOT_TAKEN if need == NOBODY else IN
    return LOGIN if not visitor.read_only or need == USERS or ".view_" in need or hides else REFUSED


def expected_in_admin(visitor: Visitor, need: str, rights: str, *, changes: bool) -> str:
    """The same for the admin, where ``rights`` are what the visitor may do with the rows of a model."""
    if need == ALL:
        return IN
    if visitor.read_only and changes:
        return REFUSED
    if visitor.role in ("", "none"):
        return LOGIN
    if need == USERS:
        return IN
    return IN if need in rights.split() and not (visitor.read_only and need != "view") else REFUSED


def verdict(response: Any) -> str:
    location = response.headers.get("Location", "").partition("?")[0]
    if response.status_code == 401 or (response.status_code == 302 and location in ("/login/", "/admin/login/")):
        return LOGIN
    assert response.status_code < 500, response.status_code
    return {403: REFUSED, 405: NOT_TAKEN}.get(response.status_code, IN)


@dataclass(frozen=True)
class Request:
    method: str
    address: str
    expected: str
    name: str


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield path
        else:
            yield from patterns(entry, path)


def operations() -> Iterator[tuple[str, str, str]]:
    """The id, method and path of each."""
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            if "operationId" in operation:
                yield operation["operationId"], method.upper(), path


def test_the_tables_have_every_address_and_every_operation() -> None:
    found = set(patterns(get_resolver()))
    in_admin = {f"admin/{model}/{page}" for model in ADMIN for page in ADMIN_PAGES} & found
    others = {f"admin/{page}" for page in ADMIN_OTHERS}
    of_operations = {path for path in found if path.startswith("api/v1/")} - PAGES.keys()
    assert found - of_operations - PROBES == {*PAGES, *in_admin, *others}
    assert {name for name, _, _ in operations()} == OPERATIONS.keys()
    assert {need for need in OPERATIONS.values() if "." in need} <= TOKEN_RIGHTS.keys(), "what tokens can be good for"


REGEXES = {
    "^(?P<app_label>auth|commands|settings_app|bench)/$": "commands/",
    "(?P<url>.*)$": "nowhere/",
    "^.*$": "nowhere",
}


def address_of(pattern: str, known: Mapping[str, str], model: str = "") -> str:
    regexes = {
        "^(?P<app_label>auth|commands|settings_app|bench)/$": "commands/",
        "(?P<url>.*)$": "nowhere/",
        "^.*$": "no",
    }
    for regex, text in regexes.items():
        pattern = pattern.replace(regex, text)
    values = {**known, "object_id": known.get(model, "1"), "content_type_id": "1"}
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values[found[1]], pattern).removeprefix("/")


def of_pages(visitor: Visitor, known: Mapping[str, str]) -> Iterator[Request]:
    comes_of = expected_of_anonymous if visitor.anonymous else expected
    for pattern, access in PAGES.items():
        for method, need in (("GET", access.see), ("POST", access.change)):
            changes = method == "POST"
            if ALL not in (access.see, access.change):
                wanted = comes_of(need, visitor, changes=changes, hides=access.hides)
            elif need == ALL and (not visitor.read_only or not pattern.startswith("api/") or not changes):
                wanted = IN
            else:  # nobody asks for a login
                wanted = REFUSED if visitor.read_only and changes else NOT_TAKEN
            yield Request(method, address_of(pattern, known), wanted, pattern)


def of_the_admin(visitor: Visitor, known: Mapping[str, str]) -> Iterator[Request]:
    there = set(patterns(get_resolver()))
    for model, roles in ADMIN.items():
        for page, needs in ADMIN_PAGES.items():
            if (pattern := f"admin/{model}/{page}") in there:
                rights = "view add change delete" if visitor.role == "superuser" else roles.get(visitor.role, "")
                for method, need in zip(("GET", "POST"), filter(None, needs), strict=False):
                    wanted = expected_in_admin(visitor, need, rights, changes=method == "POST")
                    yield Request(method, address_of(pattern, known, model), wanted, pattern)
    for page, need in ADMIN_OTHERS.items():
        wanted = expected_in_admin(visitor, need, "", changes=False)
        if page == "password_change/" and visitor.read_only:
            wanted = REFUSED
        if page == "logout/":
            yield Request("POST", address_of("admin/logout/", known), IN if visitor.role else LOGIN, "admin/logout/")
        else:
            yield Request("GET", address_of(f"admin/{page}", known), wanted, f"admin/{page}")


def of_the_api(visitor: Visitor, known: Mapping[str, str]) -> Iterator[Request]:
    for name, method, path in operations():
        address = re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], "1"), path)
        comes_of = expected_of_anonymous if visitor.anonymous and visitor.scopes is None else expected
        need, changes = OPERATIONS[name], method != "GET"
        wanted = comes_of(need, visitor, changes=changes) if need != ALL or changes else IN
        yield Request(method, address, wanted, name)


class QuickClient(Client):
    """Keeps no copy of what each template was given, which would take most of the time, and no cookie that it gets."""

    def request(self, **request: Any) -> Any:
        return self.handler(self._base_environ(**request))  # type: ignore[attr-defined]  # django-stubs leave it out


def client_of(visitor: Visitor) -> Client:
    if visitor.scopes is not None:
        owner = User.objects.create_user("owner")
        owner.groups.set(Group.objects.filter(name="admin"))
        return QuickClient(headers={"authorization": f"Bearer {token_of(owner, *visitor.scopes)}"})
    client = QuickClient()
    if visitor.role:
        highest = visitor.role == "superuser"
        user = User.objects.create_user("visitor", is_superuser=highest, is_staff=highest)
        user.groups.set(Group.objects.filter(name=visitor.role))
        client.force_login(user)
    return client


def ask(client: Client, request: Request) -> str:
    """What comes of it; whatever it changed is undone."""
    body, kind = (b"{}", "application/json") if "/api/" in request.address else (b"", "application/octet-stream")
    with transaction.atomic():
        response = client.generic(request.method, request.address, body, content_type=kind)
        transaction.set_rollback(True)
    found = verdict(response)
    return HIDDEN if request.expected == HIDDEN and response.status_code == 404 else found


@pytest.mark.parametrize("who", VISITORS)
def test_each_visitor_is_let_in_where_the_tables_say(
    who: str, known: dict[str, str], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR", "django.request")  # each refusal would be logged with its traceback
    visitor = VISITORS[who]
    settings.PUBLIC_READ, settings.READ_ONLY = visitor.reading_open, visitor.read_only
    client = client_of(visitor)
    asked = list(of_the_api(visitor, known))
    if visitor.sees_pages:
        asked += of_pages(visitor, known)
    if visitor.sees_admin:
        asked += of_the_admin(visitor, known)
    wrong = {
        f"{request.method} {request.name}: {found}, not {request.expected}"
        for request in asked
        if (found := ask(client, request)) != request.expected
    }
    assert sorted(wrong) == []
