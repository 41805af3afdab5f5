"""PGMQ: installed once, judged by what it has, and older generations work too."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from e2e_site.embedded.cluster import Cluster
from e2e_site.schema import pgmq
from tests.integration.conftest import Manage

MakeDatabase = Callable[[], str]
BUNDLED = (files("pgmq") / "sql" / "VERSION").read_text().strip()
PGMQ_1_5 = Path(__file__).parent.parent / "support" / "pgmq_1_5.sql"


def test_the_bundled_sql_is_installed_once_and_tells_its_version(empty_database: MakeDatabase) -> None:
    with psycopg.connect(empty_database()) as conn:
        assert not pgmq.status(conn).present

        assert pgmq.install(conn)
        assert not pgmq.install(conn)

        found = pgmq.status(conn)
        assert (found.present, found.version, found.lacks) == (True, BUNDLED, ())
        comment = conn.execute("SELECT obj_description('pgmq'::regnamespace)").fetchone()
        assert comment == (f"PGMQ {BUNDLED}, installed as plain SQL by manage.py pgmq install",)


def test_two_installations_at_once_do_it_once(empty_database: MakeDatabase) -> None:
    url = empty_database()
    installed: list[bool] = []

    def install() -> None:
        with psycopg.connect(url) as conn:
            installed.append(pgmq.install(conn))

    threads = [threading.Thread(target=install) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(installed) == [False, False, False, True]


def test_a_pgmq_that_is_there_is_left_as_it_is(empty_database: MakeDatabase) -> None:
    with psycopg.connect(empty_database()) as conn:
        conn.execute(PGMQ_1_5.read_bytes())

        assert not pgmq.install(conn)
        assert conn.execute("SELECT to_regclass('pgmq.topic_bindings')").fetchone() == (None,)


def test_version_1_5_is_new_enough_although_nothing_tells_its_version(empty_database: MakeDatabase) -> None:
    with psycopg.connect(empty_database()) as conn:
        conn.execute(PGMQ_1_5.read_bytes())

        found = pgmq.status(conn)
        assert (found.present, found.lacks, found.version) == (True, (), None)


@pytest.mark.parametrize(
    ("loss", "named"),
    [
        ("ALTER TYPE pgmq.message_record DROP ATTRIBUTE headers CASCADE", "pgmq.message_record.headers"),
        ("DROP FUNCTION pgmq.send(text, jsonb, jsonb, integer)", "pgmq.send(text,jsonb,jsonb,integer)"),
        ("DROP FUNCTION pgmq.archive(text, bigint[]) CASCADE", "pgmq.archive(text,bigint[])"),
    ],
)
def test_what_a_pgmq_lacks_is_named(empty_database: MakeDatabase, loss: str, named: str) -> None:
    with psycopg.connect(empty_database()) as conn:
        pgmq.install(conn)
        conn.execute(loss.encode())

        found = pgmq.status(conn)
        assert (found.present, found.lacks) == (True, (named,))


def test_the_command_says_what_it_did(manage: Manage, empty_database: MakeDatabase) -> None:
    url = empty_database()

    assert manage(url, "pgmq", "install").stdout == f"PGMQ {BUNDLED} installed.\n"
    assert manage(url, "pgmq", "install").stdout == f"PGMQ {BUNDLED} is there already.\n"


def test_a_user_who_may_not_install_it_reads_why(
    manage: Manage, empty_database: MakeDatabase, limited_user: Callable[[str], str]
) -> None:
    done = manage(limited_user(empty_database()), "pgmq", "install")

    assert done.returncode == 1
    assert "may not install PGMQ in database" in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.fixture
def server_with_extension(throwaway_cluster: Callable[[], Cluster]) -> Iterator[Cluster]:
    """A running server that offers PGMQ as an extension, made from the bundled SQL."""
    cluster = throwaway_cluster()
    if cluster.major < 18:
        pytest.skip("Before PostgreSQL 18 an extension can only be added to the server's own files.")
    # The server may run as another user: the folder has to be open to all.
    with TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name) / "extension"
        folder.mkdir()
        control = f"default_version = '{BUNDLED}'\nrelocatable = false\nsuperuser = false\nschema = 'pgmq'\n"
        (folder / "pgmq.control").write_text(control)
        (folder / f"pgmq--{BUNDLED}.sql").write_bytes((files("pgmq") / "sql" / "pgmq.sql").read_bytes())
        Path(name).chmod(0o755)
        cluster = replace(cluster, options={"extension_control_path": f"{name}:$system"})
        cluster.ensure_running()
        yield cluster


def test_the_extension_is_taken_where_the_server_offers_it(server_with_extension: Cluster, manage: Manage) -> None:
    url = server_with_extension.url()
    assert manage(url, "pgmq", "install").stdout == f"PGMQ {BUNDLED} installed.\n"

    with psycopg.connect(url) as conn:
        assert conn.execute("SELECT extname FROM pg_extension WHERE extname = 'pgmq'").fetchall() == [("pgmq",)]
        assert pgmq.status(conn) == pgmq.PgmqStatus(present=True, version=BUNDLED, lacks=())
        conn.execute("DROP EXTENSION pgmq CASCADE")
    # The migrations alone take it too: Flyway by itself is enough on such a server.
    assert manage(url, "flyway", "--runner", "builtin", "migrate").returncode == 0
    assert manage(url, "pgmq", "install").stdout == f"PGMQ {BUNDLED} is there already.\n"


@pytest.fixture(params=["1.5", "bundled"])
def generation(request: pytest.FixtureRequest, empty_database: MakeDatabase, manage: Manage) -> str:
    """The address of a database that is set up on one generation of PGMQ."""
    url = empty_database()
    if request.param == "1.5":
        with psycopg.connect(url) as conn:
            conn.execute(PGMQ_1_5.read_bytes())
    done = manage(url, "setup")
    assert done.returncode == 0, done.stdout
    assert ("PGMQ" in done.stdout) == (request.param == "bundled")
    return url


SEND_EACH = """
from commands.rules.behaviors import Behavior
from commands.bus.send import send_test_command
for wanted in (
    {"type": "success"},
    {"type": "fail_permanent"},
    {"type": "business_rule"},
    {"type": "fail_transient"},
    {"type": "fail_transient_then_succeed", "transient_failures": 1},
    {"type": "timeout", "execution_time_ms": 20},
):
    send_test_command(Behavior.from_json(wanted))
"""


def test_each_behavior_ends_as_it_must_on_either_generation(manage: Manage, generation: str) -> None:
    with psycopg.connect(generation, autocommit=True) as conn:
        conn.execute("UPDATE e2e_config SET base_delay_ms = 10, max_delay_ms = 1000, poll_interval = 0.05")
        for engine in ("native", "library"):
            conn.execute("TRUNCATE test_command, commandbus.command, pgmq.q_test__replies")
            assert_each_ends_as_it_must(manage, conn, generation, engine)


def assert_each_ends_as_it_must(manage: Manage, conn: psycopg.Connection, url: str, engine: str) -> None:
    sent = manage(url, "shell", "-c", SEND_EACH)
    assert sent.returncode == 0, sent.stdout

    worked = manage(url, "runworker", "--engine", engine, "--once", "--max-wait", "40")

    assert worked.returncode == 0, worked.stdout
    ends = conn.execute(
        "SELECT behavior ->> 'type', status, c.attempts FROM test_command t JOIN commandbus.command c "
        "USING (command_id) ORDER BY t.id"
    ).fetchall()
    replies = conn.execute("SELECT count(*) FROM pgmq.q_test__replies").fetchone()
    assert ends == [
        ("success", "COMPLETED", 1),
        ("fail_permanent", "IN_TROUBLESHOOTING_QUEUE", 1),
        ("business_rule", "FAILED", 1),
        ("fail_transient", "IN_TROUBLESHOOTING_QUEUE", 3),
        ("fail_transient_then_succeed", "COMPLETED", 2),
        ("timeout", "COMPLETED", 1),
    ]
    assert replies == (4,)
