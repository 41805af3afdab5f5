"""Fixtures of tests that make databases of their own, and run the schema tools on them."""

import fcntl
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import environ
import psycopg
import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from psycopg import sql
from pytest_django.fixtures import Settings

from bench.testbed import Testbed
from commands.bus.operations import Mix, send_many
from commands.bus.send import send_test_command
from commands.models import AuditEvent, TestCommand
from commands.rules.behaviors import Behavior, BehaviorType
from e2e_site.models import ApiToken, SavedView
from e2e_site.programs import manage_command
from tests.support.api import token_of
from tests.support.bench_runs import add_bench_run
from tests.support.clusters import CHECKOUT, server_url
from tests.support.databases import template_name
from tests.support.load_runs import add_run
from tests.support.migration_folder import MigrationFolder
from tests.support.programs import inherited_environment
from tests.support.testbeds import opened_testbed

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _nothing_is_shared(settings: Settings) -> None:
    """A page shows what a test did just before; tests of sharing say for how long."""
    settings.SHARED_FOR_S = 0


class Manage(Protocol):
    def __call__(self, url: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]": ...


@pytest.fixture
def missing_database(database_url: str) -> Iterator[Callable[[], str]]:
    """Gives addresses of databases that do not exist yet on the server of the tests; drops them afterwards."""
    names: list[str] = []

    def name_one() -> str:
        names.append(f"e2e_own_{os.getpid()}_{next(_numbers)}")
        return server_url(names[-1])

    yield name_one
    with psycopg.connect(database_url, autocommit=True) as server:
        for name in names:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty_database(missing_database: Callable[[], str], database_url: str) -> Callable[[], str]:
    """Makes empty databases."""

    def make() -> str:
        url = missing_database()
        with psycopg.connect(database_url, autocommit=True) as server:
            name = environ.Env.db_url_config(url)["NAME"]
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return url

    return make


@pytest.fixture
def complete_database(missing_database: Callable[[], str], database_url: str) -> Callable[[], str]:
    """Makes databases that are set up: copies of the template, which take a tenth of a second and a set-up seconds."""

    def make() -> str:
        url = missing_database()
        names = map(sql.Identifier, (environ.Env.db_url_config(url)["NAME"], template_name()))
        with psycopg.connect(database_url, autocommit=True) as server:
            server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        return url

    return make


@pytest.fixture
def migrations(tmp_path: Path, empty_database: Callable[[], str]) -> MigrationFolder:
    """A folder of small migrations, none yet, and an empty database."""
    return MigrationFolder(tmp_path, empty_database())


@pytest.fixture
def limited_user(database_url: str) -> Iterator[Callable[[str], str]]:
    """Gives the address of a database for a user who may log in and nothing else."""
    name = f"e2e_limited_{os.getpid()}"
    with psycopg.connect(database_url, autocommit=True) as server:
        if server.execute("SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper").fetchone() is None:
            pytest.skip("The server's user may not make users.")
        server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(name)))

        def address(url: str) -> str:
            at = environ.Env.db_url_config(url)
            return f"postgres://{name}:x@{at['HOST']}:{at['PORT']}/{at['NAME']}"

        yield address
        server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def django_uses() -> Iterator[Callable[[str], None]]:
    """Points Django's connection at the database of an address, until the test ends."""
    with ExitStack() as until_the_end:
        yield lambda url: until_the_end.enter_context(_django_at(url))


@contextmanager
def _django_at(url: str) -> Iterator[None]:
    settings: dict[str, Any] = connection.settings_dict
    before = dict(settings)
    connection.close()
    settings.update(environ.Env.db_url_config(url))
    try:
        yield
    finally:
        connection.close()
        settings.update(before)


@pytest.fixture
def manage() -> Manage:
    """Runs ``manage.py <arguments>`` on the database of an address."""

    def run(url: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return _run(manage_command(*arguments), inherited_environment(DATABASE_URL=url, **environment))

    return run


@pytest.fixture
def testbed(committed: str) -> Iterator[Testbed]:
    """The bench's testbed, on the test database."""
    with opened_testbed(committed) as opened:
        yield opened


@pytest.fixture
def client_of() -> Callable[..., Client]:
    """Logs a new user in, one of the staff unless told otherwise, with the permissions of these names."""

    def log_in(name: str, *codenames: str, staff: bool = True) -> Client:
        user = User.objects.create_user(name, is_staff=staff)
        permissions = Permission.objects.filter(codename__in=codenames)
        assert permissions.count() == len(codenames)
        user.user_permissions.set(permissions)
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def known() -> dict[str, str]:
    """What there is: values for the variable parts of addresses."""
    behavior = Behavior(type=BehaviorType.SUCCESS)
    command_id = str(send_test_command(behavior).command_id)
    other = User.objects.create_user("other")
    token_of(other)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)"
            " VALUES ('test', %s, 'MESSAGE_REJECTED', '{\"msg_id\": 1}') RETURNING audit_id",
            [UUID(int=0)],
        )
        (audit_id,) = cursor.fetchone()
    run_id = str(add_run(connection.connection, samples=3))
    add_bench_run(connection.connection, run_id=int(run_id))
    return {
        "command_id": command_id,
        "operation_id": str(send_many(Mix(parts=[(behavior, 1)], count=1), operator="ada")),
        "audit_id": str(audit_id),
        "run_id": run_id,
        "token_id": str(ApiToken.objects.get().pk),
        "view_id": str(SavedView.objects.create(user=other, page="commands", name="mine", query="size=50").pk),
        "part": "payload",
        "id": str(other.pk),
        "commands/testcommand": str(TestCommand.objects.get().pk),
        "commands/command": command_id,
        "commands/auditevent": str(AuditEvent.objects.newest_first()[0].pk),
        "settings_app/configuration": "1",
        "bench/loadrun": run_id,
        "bench/benchrun": run_id,
        "auth/user": str(other.pk),
        "auth/group": str(Group.objects.create(name="other").pk),
    }


@pytest.fixture(scope="session")
def real_flyway() -> str:
    """The program ``tests/support/flyway/flyway``, ready to run."""
    if shutil.which("mvn") is None:
        why = "REAL FLYWAY NOT TESTED: there is no Maven; run bin/setup --flyway."
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    program = CHECKOUT / "tests" / "support" / "flyway" / "flyway"
    with (CHECKOUT / "tests" / "support" / "flyway" / "pom.xml").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes at once would spoil Maven's downloads
        fetched = _run([str(program), "prefetch"], inherited_environment())
    assert fetched.returncode == 0, fetched.stdout
    return str(program)


@pytest.fixture
def plain_flyway(real_flyway: str) -> Callable[[str, str], "subprocess.CompletedProcess[str]"]:
    """Runs ``flyway -configFiles=flyway.conf <action>``, as a person would, on the database of an address."""

    def run(url: str, action: str) -> "subprocess.CompletedProcess[str]":
        at = environ.Env.db_url_config(url)
        address = f"jdbc:postgresql://{at['HOST']}:{at['PORT']}/{at['NAME']}"
        environment = {"FLYWAY_URL": address, "FLYWAY_USER": at["USER"], "FLYWAY_PASSWORD": at["PASSWORD"]}
        return _run([real_flyway, "-configFiles=flyway.conf", action], inherited_environment(**environment))

    return run


def _run(command: list[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
    )
