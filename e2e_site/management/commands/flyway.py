"""``manage.py flyway migrate|info|validate``: a thin shell round ``e2e_site/schema/flyway.py``."""

from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser

from e2e_site.database import session_params
from e2e_site.schema import flyway
from e2e_site.schema.migration_files import FlywayError
from e2e_site.texts import one_line


class Command(BaseCommand):
    help = "Apply the migrations of migrations_flyway/, show where the schema stands, or compare it with the files."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["migrate", "info", "validate"])
        parser.add_argument(
            "--runner",
            choices=["flyway", "builtin"],
            help="default: Flyway (FLYWAY_BIN, else `flyway` on PATH), and where there is none the built-in runner",
        )

    def handle(self, *args: Any, action: flyway.Action, runner: flyway.Runner | None, **options: Any) -> None:
        try:
            flyway.run(action, session_params(), runner=runner, say=self.stdout.write)
        except FlywayError as exc:
            raise CommandError(str(exc)) from exc
        except psycopg.Error as exc:
            raise CommandError(one_line(exc)) from exc
