"""``manage.py pgmq install``: a thin shell round ``e2e_site/schema/pgmq.py``."""

from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser

from e2e_site.database import session_params
from e2e_site.schema import pgmq
from e2e_site.texts import one_line


class Command(BaseCommand):
    help = "Install PGMQ in the database: the extension where the server offers it, else as plain SQL."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["install"])

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with psycopg.connect(**session_params()) as conn:
                word = "installed" if pgmq.install(conn) else "is there already"
                version = pgmq.status(conn).version or "(of a version that it does not tell)"
        except pgmq.PgmqError as exc:
            raise CommandError(str(exc)) from exc
        except psycopg.Error as exc:
            raise CommandError(one_line(exc)) from exc
        self.stdout.write(f"PGMQ {version} {word}.")
