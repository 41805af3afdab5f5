"""The schema against the models that name its columns, and against its own promise that everything has a comment."""

from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import connection, models

Column = tuple[object, ...]  # type, may be null, length, precision, scale

OURS = "n.nspname = 'commandbus' OR (n.nspname = 'public' AND {name} !~ '^(django|auth|axes|flyway)_')"


UNMANAGED = [model for model in apps.get_models() if not model._meta.managed]


def columns_in_the_database(conn: psycopg.Connection, table: str) -> dict[str, Column]:
    rows = conn.execute(
        """
        SELECT column_name, CASE data_type WHEN 'character varying' THEN 'varchar'
                                           WHEN 'ARRAY' THEN substr(udt_name, 2) || '[]' ELSE data_type END,
               is_nullable = 'YES', character_maximum_length::int,
               CASE data_type WHEN 'numeric' THEN numeric_precision::int END,
               CASE data_type WHEN 'numeric' THEN numeric_scale::int END
        FROM information_schema.columns
        WHERE format('%%I.%%I', table_schema, table_name)::regclass = %s::regclass
        """,
        [table],
    ).fetchall()
    return {name: tuple(column) for name, *column in rows}


def column_of(field: "models.Field[Any, Any]") -> Column:
    kind = str(field.db_type(connection)).partition("(")[0]
    return (
        kind,
        field.null,
        field.max_length if kind == "varchar" else None,
        getattr(field, "max_digits", None),
        getattr(field, "decimal_places", None),
    )


def test_there_are_unmanaged_models_to_compare() -> None:
    names = {model.__name__ for model in UNMANAGED}

    assert names >= {"TestCommand", "Command", "AuditEvent", "Worker", "Configuration", "LoadRun", "LoadSample"}


@pytest.mark.parametrize("model", UNMANAGED, ids=lambda model: model._meta.label)
def test_a_model_names_exactly_the_columns_of_its_table(model: type[models.Model], database_url: str) -> None:
    # Django writes a name that is in quotes already as it stands.
    table = connection.ops.quote_name(model._meta.db_table)
    fields = {str(field.column): column_of(field) for field in model._meta.concrete_fields}

    with psycopg.connect(database_url) as conn:
        assert fields == columns_in_the_database(conn, table)


def test_every_table_and_view_of_ours_has_a_comment(database_url: str) -> None:
    silent = f"""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE ({OURS.format(name="c.relname")}) AND c.relkind IN ('r', 'p', 'v', 'm')
          AND obj_description(c.oid, 'pg_class') IS NULL
    """
    with psycopg.connect(database_url) as conn:
        assert conn.execute(silent.encode()).fetchall() == []


def test_every_column_of_our_tables_has_a_comment(database_url: str) -> None:
    silent = f"""
        SELECT c.oid::regclass::text, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE ({OURS.format(name="c.relname")}) AND c.relkind IN ('r', 'p')
          AND col_description(c.oid, a.attnum) IS NULL
    """
    with psycopg.connect(database_url) as conn:
        assert conn.execute(silent.encode()).fetchall() == []


def test_every_function_of_ours_has_a_comment(database_url: str) -> None:
    silent = f"""
        SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE ({OURS.format(name="p.proname")}) AND obj_description(p.oid, 'pg_proc') IS NULL
    """
    with psycopg.connect(database_url) as conn:
        assert conn.execute(silent.encode()).fetchall() == []


def test_every_queue_of_ours_has_a_comment_on_its_table_and_on_its_archive(database_url: str) -> None:
    silent = """
        SELECT c.oid::regclass::text FROM pgmq.meta m
        JOIN pg_class c ON c.relnamespace = 'pgmq'::regnamespace
            AND c.relname IN ('q_' || m.queue_name, 'a_' || m.queue_name)
        WHERE obj_description(c.oid, 'pg_class') IS NULL
    """
    with psycopg.connect(database_url) as conn:
        assert conn.execute("SELECT count(*) FROM pgmq.meta").fetchone() == (2,)
        assert conn.execute(silent.encode()).fetchall() == []


def test_every_type_of_ours_has_a_comment(database_url: str) -> None:
    silent = f"""
        SELECT t.oid::regtype::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE ({OURS.format(name="t.typname")}) AND (t.typtype IN ('d', 'e', 'r') OR c.relkind = 'c')
          AND obj_description(t.oid, 'pg_type') IS NULL
    """
    with psycopg.connect(database_url) as conn:
        assert conn.execute(silent.encode()).fetchall() == []
        conn.execute("CREATE TYPE commandbus.new AS (x INTEGER)")
        assert conn.execute(silent.encode()).fetchall() == [("commandbus.new",)]
        conn.rollback()
