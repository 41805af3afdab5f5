"""What the speed of engine `native` rests on in the schema: HOT updates, indexes that spare them, settings, storage."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg.rows import dict_row

from e2e_site.database import connection_params
from e2e_site.embedded.cluster import Cluster
from tests.conftest import StartManage
from tests.integration.conftest import Manage
from tests.support.bus import HandBus, Json
from tests.support.history import batches, send
from tests.support.waiting import wait_until

HOT_TABLES = ("commandbus.command", "public.test_command")
CHANGING = {
    "status", "attempts", "updated_at", "processed_at", "result", "lease_expires_at",
    "last_error_type", "last_error_code", "last_error_msg",
}  # fmt: skip
PLANNER = "enable_%|jit%|plan_cache_mode|random_page_cost|seq_page_cost|%collapse_limit|cursor_tuple_fraction"


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection[Json]]:
    """A transaction of which nothing stays."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        yield connection
        connection.rollback()


# -- HOT -------------------------------------------------------------------------------------------------------------


def updates(bus: HandBus, table: str) -> tuple[int, int]:
    """Rows of a table updated so far, and those of them that no index had to hear of."""
    (row,) = bus.rows("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = %s::regclass", [table])
    return row["n_tup_upd"], row["n_tup_hot_upd"]


def assert_hot(bus: HandBus, before: dict[str, tuple[int, int]], commands: int) -> None:
    """Each command was updated when it was received and when it ended, nearly always without its indexes."""
    for table, (updated_before, hot_before) in before.items():

        def counted(table: str = table, expected: int = updated_before + 2 * commands) -> bool:
            return updates(bus, table)[0] >= expected

        wait_until(counted, message=f"the counts of {table}")
        updated, hot = updates(bus, table)
        assert updated - updated_before == 2 * commands
        assert (hot - hot_before) / (updated - updated_before) >= 0.9, table


@pytest.fixture
def alone(throwaway_cluster: Callable[[], Cluster], manage: Manage) -> Iterator[HandBus]:
    """The bus on a server of its own, without autovacuum.

    While anybody on a server has a transaction open, in whatever database, old versions keep their room on the pages.
    """
    cluster = replace(throwaway_cluster(), options={"autovacuum": "off"})
    cluster.ensure_running()
    assert manage(cluster.url(), "setup").returncode == 0
    bus = HandBus(cluster.url())
    with bus.conn:
        yield bus


def test_nine_of_ten_updates_in_a_drain_by_hand_are_hot(alone: HandBus) -> None:
    before = {table: updates(alone, table) for table in HOT_TABLES}
    send(alone.conn, 6_000)
    assert sum(batches(alone.conn)) == 6_000
    alone.value("SELECT pg_stat_force_next_flush()::text")
    assert_hot(alone, before, 6_000)


def test_nine_of_ten_updates_of_a_worker_are_hot(alone: HandBus, start_manage: StartManage) -> None:
    before = {table: updates(alone, table) for table in HOT_TABLES}
    send(alone.conn, 6_000)
    worker = start_manage("runworker", "--once", "--concurrency=200", "--batch-size=200", DATABASE_URL=alone.url)
    assert worker.wait(60) == 0
    assert_hot(alone, before, 6_000)


def columns_in_indexes(conn: psycopg.Connection[Json], table: str) -> dict[str, set[str]]:
    """By index: the columns in its keys, beside them (INCLUDE), in its expressions and in its predicate."""
    rows = conn.execute(
        """
        SELECT i.indexrelid::regclass::text AS index, array_agg(DISTINCT a.attname::text) AS columns
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum > 0
        WHERE i.indrelid = %s::regclass AND (
            a.attnum = ANY (i.indkey::int2[]) OR EXISTS (
                SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))
        GROUP BY i.indexrelid
        """,
        [table],
    ).fetchall()
    return {row["index"]: set(row["columns"]) for row in rows}


@pytest.mark.parametrize("table", HOT_TABLES)
def test_no_index_mentions_a_column_that_changes_while_a_command_is_performed(
    table: str, conn: psycopg.Connection[Json]
) -> None:
    indexes = columns_in_indexes(conn, table)
    assert indexes
    assert {index: columns & CHANGING for index, columns in indexes.items() if columns & CHANGING} == {}


@pytest.mark.parametrize(
    "definition",
    ["(status)", "(command_id) INCLUDE (status)", "(lower(status))", "(command_id) WHERE status = 'FAILED'"],
)
def test_a_column_is_found_wherever_an_index_mentions_it(definition: str, conn: psycopg.Connection[Json]) -> None:
    conn.execute(f"CREATE INDEX ix_bad ON commandbus.command {definition}".encode())
    assert "status" in columns_in_indexes(conn, "commandbus.command")["commandbus.ix_bad"]


# -- indexes ---------------------------------------------------------------------------------------------------------


def indexes_without_a_user(conn: psycopg.Connection[Json]) -> list[str]:
    """Indexes of ours, but for those behind a constraint, whose comment names nobody who reads them."""
    rows = conn.execute(
        """
        SELECT i.indexrelid::regclass::text AS index
        FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE (n.nspname = 'commandbus' OR (n.nspname = 'public' AND t.relname !~ '^(django|auth|axes|flyway)_'))
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
          AND coalesce(obj_description(i.indexrelid, 'pg_class'), '') !~ '^Used by \\S+'
        """
    ).fetchall()
    return [row["index"] for row in rows]


def test_every_index_of_ours_says_who_uses_it(conn: psycopg.Connection[Json]) -> None:
    assert indexes_without_a_user(conn) == []
    conn.execute("CREATE INDEX ix_new ON public.e2e_worker (host)")
    assert indexes_without_a_user(conn) == ["ix_new"]


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["receive_test", "finish_test"])
def test_receive_and_finish_keep_the_planner_from_reading_whole_tables(
    function: str, conn: psycopg.Connection[Json]
) -> None:
    row = conn.execute(
        "SELECT proconfig FROM pg_proc WHERE pronamespace = 'commandbus'::regnamespace AND proname = %s",
        [function],
    ).fetchone()
    assert row is not None
    assert set(row["proconfig"]) >= {
        "enable_hashjoin=off", "enable_mergejoin=off", "enable_seqscan=off", "plan_cache_mode=force_generic_plan",
        "jit=off",
    }  # fmt: skip


def test_no_planner_setting_belongs_to_a_role_a_database_or_a_connection(conn: psycopg.Connection[Json]) -> None:
    stored = conn.execute(
        """
        SELECT setting FROM pg_db_role_setting, unnest(setconfig) setting
        WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
          AND setting LIKE ANY (string_to_array(%s, '|'))
        """,
        [PLANNER.replace("|", "=%|") + "=%"],
    ).fetchall()
    assert stored == []
    assert not {"options", "prepare_threshold"} & {key for key, value in connection_params().items() if value}


def test_a_call_of_receive_and_finish_leaves_the_session_as_it_was(bus: HandBus) -> None:
    def settings() -> list[Json]:
        return bus.rows(
            "SELECT name, setting FROM pg_settings WHERE name LIKE ANY (string_to_array(%s, '|')) ORDER BY name",
            [PLANNER],
        )

    before = settings()
    assert {"name": "enable_hashjoin", "setting": "on"} in before
    send(bus.conn, 3)
    assert sum(batches(bus.conn)) == 3
    assert settings() == before


# -- storage ---------------------------------------------------------------------------------------------------------


def options(conn: psycopg.Connection[Json], table: str) -> dict[str, float]:
    rows = conn.execute(
        "SELECT option_name, option_value FROM pg_class, pg_options_to_table(reloptions) WHERE oid = %s::regclass",
        [table],
    ).fetchall()
    return {row["option_name"]: float(row["option_value"]) for row in rows}


@pytest.mark.parametrize("table", HOT_TABLES)
def test_pages_of_commands_keep_room_for_a_second_version_of_each_row(
    table: str, conn: psycopg.Connection[Json]
) -> None:
    assert 40 <= options(conn, table)["fillfactor"] <= 60


@pytest.mark.parametrize("table", HOT_TABLES)
def test_vacuum_comes_to_large_tables_before_a_fifth_of_them_has_changed(
    table: str, conn: psycopg.Connection[Json]
) -> None:
    known = options(conn, table)
    assert known["autovacuum_vacuum_scale_factor"] <= 0.1
    assert known["autovacuum_analyze_scale_factor"] <= 0.1
    assert known["autovacuum_vacuum_threshold"] >= 1_000  # not after each batch


def test_queues_are_vacuumed_after_a_number_of_changes_and_at_full_speed(conn: psycopg.Connection[Json]) -> None:
    known = options(conn, "pgmq.q_test__commands")
    assert known["fillfactor"] <= 60
    assert (known["autovacuum_vacuum_scale_factor"], known["autovacuum_vacuum_cost_delay"]) == (0, 0)
    assert known["autovacuum_vacuum_threshold"] <= 10_000
