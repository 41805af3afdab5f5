"""A folder of small migrations with its own flyway.conf, and a database to apply them to by either runner."""

from pathlib import Path

import psycopg

from e2e_site.schema import flyway
from e2e_site.schema.migration_files import FlywayError

_COLUMNS = "installed_rank, version, description, type, script, checksum, installed_by, success"


class MigrationFolder:
    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.conf = folder / "flyway.conf"
        self.conf.write_text(
            "flyway.locations=filesystem:.\nflyway.placeholderReplacement=false\n"
            "flyway.baselineOnMigrate=true\nflyway.baselineVersion=0\n"
        )
        self.url = url

    def write(self, **texts: str) -> None:
        """Write ``<name>.sql`` for each."""
        for name, text in texts.items():
            (self.folder / f"{name}.sql").write_text(text)

    def remove(self, name: str) -> None:
        (self.folder / f"{name}.sql").unlink()

    def run(self, action: flyway.Action = "migrate", runner: flyway.Runner = "builtin") -> list[str]:
        """What the runner says. Raises FlywayError with all of it."""
        said: list[str] = []
        try:
            flyway.run(action, {"conninfo": self.url}, runner=runner, say=said.append, config_file=self.conf)
        except FlywayError as exc:
            raise FlywayError("\n".join([*_without_greeting(said, runner), str(exc)])) from exc
        return _without_greeting(said, runner)

    def info(self) -> list[tuple[str, str, str]]:
        """Version, state and script of each line of the built-in runner's ``info``, by the columns of its heading."""
        heading, *lines = self.run("info")
        state, date, script = (heading.index(word) for word in ("State", "Installed on", "Script"))
        return [(line[:state].strip(), line[state:date].strip(), line[script:]) for line in lines]

    def query(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as conn:
            cursor = conn.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def history(self) -> list[tuple[object, ...]]:
        """The rows without what differs from run to run: when it was, and how long it took."""
        return self.query(f"SELECT {_COLUMNS} FROM flyway_schema_history ORDER BY installed_rank")


def _without_greeting(said: list[str], runner: flyway.Runner) -> list[str]:
    return said[1:] if runner == "builtin" else said
