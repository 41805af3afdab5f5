"""Flyway owns the schema (``migrations_flyway/``); this runs it, or the built-in runner where there is none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e_site import flyway_builtin
from e2e_site.flyway_files import Config, FlywayError, Migration, read_config

CONFIG_FILE = Path(__file__).resolve().parent.parent / "flyway.conf"

__all__ = ["FlywayError", "Migration", "migrate"]


def config() -> Config:
    return read_config(CONFIG_FILE)


def migrate(params: Mapping[str, Any], *, runner: str = "builtin") -> list[Migration]:
    """Apply what is pending to the database that psycopg's ``params`` name."""
    return flyway_builtin.migrate(params, config())
