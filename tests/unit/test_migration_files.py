"""flyway.conf and the migrations, read as Flyway reads them; what the built-in runner cannot do is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from e2e_site.schema.flyway import CONFIG_FILE
from e2e_site.schema.migration_files import (
    Config,
    FlywayError,
    checksum,
    read_config,
    read_migrations,
    statements_of,
    version_key,
)

MakeConfig = Callable[..., Config]


@pytest.fixture
def config_of(tmp_path: Path) -> MakeConfig:
    """Makes a configuration whose one location holds the files given as ``{name: text}``."""

    def make(files: Mapping[str, str | bytes]) -> Config:
        folder = tmp_path / "sql"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        conf = tmp_path / "flyway.conf"
        conf.write_text("flyway.locations=filesystem:sql\nflyway.placeholderReplacement=false\n")
        return read_config(conf)

    return make


def test_the_checksum_is_the_one_that_flyway_computes() -> None:
    assert checksum("create table t(a int);\ncomment on table t is 'x';\n") == 796815992


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_do_not_change_the_checksum(end: str) -> None:
    assert checksum(f"\ufeffcreate table t(a int);{end}comment on table t is 'x';") == 796815992


def test_versions_are_ordered_as_numbers() -> None:
    assert sorted(["10", "9", "2_1", "2", "001"], key=version_key) == ["001", "2", "2_1", "9", "10"]
    assert version_key("1") == version_key("001") == version_key("1.0")


def test_the_repository_has_a_configuration_that_both_runners_understand() -> None:
    config = read_config(CONFIG_FILE)

    assert (config.schema, config.table) == ("public", "flyway_schema_history")
    assert (config.baseline_on_migrate, config.baseline_version) == (True, "0")
    assert [m.script.partition("__")[0] for m in read_migrations(config)][:4] == ["V001", "V002", "V003", "V004"]


def test_the_configuration_holds_no_secret() -> None:
    settings = {line.partition("=")[0] for line in CONFIG_FILE.read_text().splitlines() if not line.startswith("#")}

    assert not settings & {"flyway.user", "flyway.password", "flyway.url"}


def test_migrations_come_in_order_with_the_names_that_the_history_gets(config_of: MakeConfig) -> None:
    migrations = read_migrations(
        config_of({"V10__last.sql": "", "V2_1__sub_folder's_own.sql": "", "more/V3__x.sql": ""})
    )

    assert [(m.version, m.description, m.script) for m in migrations] == [
        ("2.1", "sub folder's own", "V2_1__sub_folder's_own.sql"),
        ("3", "x", "more/V3__x.sql"),
        ("10", "last", "V10__last.sql"),
    ]


def test_repeatable_migrations_come_last_in_the_order_of_their_descriptions(config_of: MakeConfig) -> None:
    migrations = read_migrations(config_of({"R__10_b.sql": "", "V9__x.sql": "", "R__02_a.sql": "", "V10__x.sql": ""}))

    assert [(m.version, m.description) for m in migrations] == [
        ("9", "x"),
        ("10", "x"),
        (None, "02 a"),
        (None, "10 b"),
    ]


def test_two_repeatable_files_of_one_description_are_refused_by_name(config_of: MakeConfig) -> None:
    with pytest.raises(FlywayError, match=r"R__a\.sql and more/R__a\.sql have the same description"):
        read_migrations(config_of({"R__a.sql": "", "more/R__a.sql": ""}))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("U1__undo.sql", "an undo migration"),
        ("B1__base.sql", "a baseline migration"),
        ("beforeMigrate.sql", "a callback"),
        ("afterEachMigrate__log.sql", "a callback"),
        ("createSchema.sql", "a callback"),
        ("V1__first.sql.conf", "a script configuration"),
        ("V1_first.sql", "not named like a migration"),
    ],
)
def test_a_file_that_the_built_in_runner_cannot_apply_is_refused_by_name(
    config_of: MakeConfig, name: str, kind: str
) -> None:
    with pytest.raises(FlywayError) as error:
        read_migrations(config_of({name: "SELECT 1;"}))

    assert name in str(error.value)
    assert kind in str(error.value)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY"),
        ("vacuum t", "vacuum"),
        ("ALTER /* why */ SYSTEM SET work_mem = 1", "ALTER SYSTEM"),
        ('COPY "t" (a) FROM stdin', r"COPY \(a\) FROM stdin"),
        ("COPY t TO STDOUT", "COPY t TO STDOUT"),
        ("BEGIN", "BEGIN"),
        ("COMMIT AND CHAIN", "COMMIT"),
        ("END", "END"),
        ("abort", "abort"),
        ("ROLLBACK", "ROLLBACK"),
        ("ROLLBACK WORK AND CHAIN", "ROLLBACK"),
        ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
    ],
)
def test_a_statement_that_does_not_fit_into_a_transaction_is_refused(
    config_of: MakeConfig, statement: str, words: str
) -> None:
    (migration,) = read_migrations(config_of({"V1__x.sql": f"\ufeffSELECT 1;\n-- why\r\n\r{statement};\nSELECT 2;"}))
    with pytest.raises(FlywayError, match=rf"\AV1__x\.sql, line 4: {words} does not fit into one transaction"):
        statements_of(migration)


@pytest.mark.parametrize("text", ["ROLLBACK TO a", "ROLLBACK WORK TO SAVEPOINT a", "PREPARE x AS SELECT 1", "ENDPOINT"])
def test_what_leaves_the_transaction_alone_is_for_the_server_to_judge(config_of: MakeConfig, text: str) -> None:
    (migration,) = read_migrations(config_of({"V1__x.sql": text}))
    assert [statement.text for statement in statements_of(migration)] == [text]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("SELECT 1;\nSELECT 'é';".encode("latin-1"), 2),
        ("SELECT 'é';".encode("utf-16"), 1),
        ("SELECT 1;".encode("utf-16-be"), 1),
        ("SELECT 1;".encode("utf-16-le"), 1),
        (b"SELECT 1;\r\nSELECT 2;\rSELECT\0 3;", 3),
    ],
    ids=["Latin-1", "UTF-16 with BOM", "UTF-16BE", "UTF-16LE", "NUL"],
)
def test_a_file_that_is_not_plain_utf_8_is_refused_by_name_and_line(
    config_of: MakeConfig, data: bytes, line: int
) -> None:
    with pytest.raises(FlywayError, match=rf"V1__x\.sql, line {line}: .*in UTF-8"):
        read_migrations(config_of({"V1__x.sql": data}))


def test_a_configuration_that_is_not_utf_8_is_refused_by_name(tmp_path: Path) -> None:
    conf = tmp_path / "flyway.conf"
    conf.write_bytes(b"# caf\xe9\n")
    with pytest.raises(FlywayError, match=r"flyway\.conf, line 1: the byte 0xe9"):
        read_config(conf)


def test_two_files_of_one_version_are_refused_by_name(config_of: MakeConfig) -> None:
    with pytest.raises(FlywayError, match=r"V01__b\.sql and V1__a\.sql"):
        read_migrations(config_of({"V1__a.sql": "", "V01__b.sql": ""}))


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("flyway.outOfOrder=true", "outOfOrder"),
        ("flyway.schemas=public,other", "one schema"),
        ("flyway.placeholderReplacement=true", "placeholders"),
        ("flyway.locations=classpath:db", "classpath:db"),
        ("flyway.locations=filesystem:nowhere", "filesystem:nowhere"),
    ],
)
def test_a_setting_that_the_built_in_runner_does_not_know_is_refused(tmp_path: Path, line: str, names: str) -> None:
    conf = tmp_path / "flyway.conf"
    conf.write_text(f"flyway.placeholderReplacement=false\n{line}\n")

    with pytest.raises(FlywayError, match=names):
        read_config(conf)
