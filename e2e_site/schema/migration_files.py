"""What lies on disk for Flyway: ``flyway.conf`` and the migrations, read as Flyway reads them.

The built-in runner does a part of what Flyway does. What it cannot do is refused here: a file, a setting or an encoding
when they are read, a statement before it is applied.
"""

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from e2e_site.options import SiteError
from e2e_site.schema.statements import Statement, line_ends, split

_MIGRATION = re.compile(r"(?:V(?P<version>\d+(?:[._]\d+)*)|R)__(?P<description>.+)\.sql")
_OTHER_KINDS = {
    "U": "an undo migration",
    "B": "a baseline migration",
    "before": "a callback",
    "after": "a callback",
    "createSchema": "a callback",
}
# Matched against the code of one statement.
_NOT_IN_A_TRANSACTION = re.compile(
    r"(BEGIN|START TRANSACTION|COMMIT|END|ABORT|ROLLBACK(?! (?:WORK |TRANSACTION )?TO\b)|PREPARE TRANSACTION"
    r"|VACUUM|ALTER SYSTEM|(?:CREATE|DROP) (?:DATABASE|TABLESPACE)|(?:CREATE|CREATE UNIQUE|DROP) INDEX CONCURRENTLY"
    r"|REINDEX\b.*\bCONCURRENTLY|COPY\b.*\b(?:FROM STDIN|TO STDOUT))\b",
    re.IGNORECASE,
)
_KNOWN_SETTINGS = {
    "locations",
    "defaultSchema",
    "schemas",
    "table",
    "baselineOnMigrate",
    "baselineVersion",
    "placeholderReplacement",
    "cleanDisabled",
}


class FlywayError(SiteError):
    """A migration or the set-up of Flyway is wrong; the message names the file and says what to do."""


def version_key(version: str) -> tuple[int, ...]:
    """How Flyway orders versions: part by part as numbers, so that ``001`` is ``1`` and ``1.0`` is ``1``."""
    parts = [int(part) for part in re.split(r"[._]", version)]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def checksum(text: str) -> int:
    """Flyway's checksum: CRC-32 over the UTF-8 lines without their line ends, as a signed 32-bit integer."""
    joined = "".join(re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")))
    crc = zlib.crc32(joined.encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One SQL file; ``script`` is its name as the history spells it (relative to its location).

    A repeatable one has no ``version``: its ``description`` is what the history knows it by.
    """

    version: str | None
    description: str
    script: str
    text: str

    @property
    def checksum(self) -> int:
        return checksum(self.text)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The part of ``flyway.conf`` that the built-in runner understands."""

    locations: tuple[Path, ...]
    schema: str
    table: str
    baseline_on_migrate: bool
    baseline_version: str


def read_config(path: Path) -> Config:
    """Read ``flyway.conf``. Relative locations are relative to its folder."""
    values: dict[str, str] = {}
    for line in _read_text(path, path.name).splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, _, value = line.partition("=")
        values[key.strip().removeprefix("flyway.")] = value.strip()
    unknown = sorted(values.keys() - _KNOWN_SETTINGS)
    if unknown:
        raise FlywayError(f"{path.name}: the built-in runner does not know flyway.{unknown[0]}; use Flyway itself.")
    schema = values.get("defaultSchema", "public")
    if values.get("schemas", schema) != schema:
        raise FlywayError(
            f"{path.name}: the built-in runner manages one schema, flyway.defaultSchema; use Flyway itself."
        )
    if values.get("placeholderReplacement", "true") != "false":
        raise FlywayError(
            f"{path.name}: the built-in runner replaces no placeholders; set flyway.placeholderReplacement=false."
        )
    return Config(
        locations=tuple(_location(path, entry) for entry in values.get("locations", "").split(",") if entry),
        schema=schema,
        table=values.get("table", "flyway_schema_history"),
        baseline_on_migrate=values.get("baselineOnMigrate", "false") == "true",
        baseline_version=values.get("baselineVersion", "1"),
    )


def _location(conf: Path, entry: str) -> Path:
    kind, _, folder = entry.strip().partition(":")
    path = conf.parent / folder
    if kind != "filesystem" or not path.is_dir():
        raise FlywayError(f"{conf.name}: {entry.strip()} is not filesystem:<a folder that exists>.")
    return path


def read_migrations(config: Config) -> list[Migration]:
    """All migrations in the order in which they are applied: versions, then repeatable ones by description.

    FlywayError for a file that the built-in runner cannot apply as Flyway would.
    """
    versioned: dict[tuple[int, ...], Migration] = {}
    repeatable: dict[str, Migration] = {}
    for location in config.locations:
        for path in sorted(location.rglob("*")):
            if path.is_file() and path.name.endswith((".sql", ".sql.conf")):
                migration = _read(path, path.relative_to(location).as_posix())
                if migration.version is None:
                    what, twin = "description", repeatable.setdefault(migration.description, migration)
                else:
                    what, twin = "version", versioned.setdefault(version_key(migration.version), migration)
                if twin is not migration:
                    raise FlywayError(f"{twin.script} and {migration.script} have the same {what}.")
    return [*(versioned[key] for key in sorted(versioned)), *(repeatable[key] for key in sorted(repeatable))]


def _read(path: Path, script: str) -> Migration:
    match = _MIGRATION.fullmatch(path.name)
    if match is None:
        kind = next((kind for prefix, kind in _OTHER_KINDS.items() if path.name.startswith(prefix)), None)
        if path.name.endswith(".conf"):
            kind = "a script configuration"
        raise FlywayError(
            f"{script} is {kind}: the built-in runner cannot do that; use Flyway itself."
            if kind
            else f"{script} is not named like a migration (V<version>__<description>.sql or R__<description>.sql)."
        )
    return Migration(
        version=match["version"] and match["version"].replace("_", "."),
        description=match["description"].replace("_", " "),
        script=script,
        text=_read_text(path, script),
    )


def _read_text(path: Path, name: str) -> str:
    """The whole of a file. FlywayError where PostgreSQL would get another text than a person sees in it."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except OSError as exc:
        raise FlywayError(f"{name} cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        line = line_ends(data[: exc.start].decode("utf-8")) + 1
        raise FlywayError(
            f"{name}, line {line}: the byte 0x{data[exc.start]:02x} is not UTF-8; save the file in UTF-8."
        ) from exc
    if "\0" in text:
        line = line_ends(text.partition("\0")[0]) + 1
        raise FlywayError(
            f"{name}, line {line}: a NUL byte, after which PostgreSQL reads nothing; save the file in UTF-8 (UTF-16 is "
            "full of them)."
        )
    return text


def statements_of(migration: Migration) -> list[Statement]:
    """What is to be executed, one by one. FlywayError names file and line of what cannot be part of a transaction."""
    found = list(split(migration.text.removeprefix("\ufeff")))
    for statement in found:
        if match := _NOT_IN_A_TRANSACTION.match(statement.code):
            raise FlywayError(
                f"{migration.script}, line {statement.line}: {match[1]} does not fit into one transaction per "
                "migration, which is all that the built-in runner does; use Flyway itself."
            )
    return found
