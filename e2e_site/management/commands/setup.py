"""``manage.py setup``: a thin shell round ``e2e_site/schema/setup.py``."""

from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from e2e_site.schema.migration_files import FlywayError
from e2e_site.schema.pgmq import PgmqError
from e2e_site.schema.setup import SetupError, set_up
from e2e_site.texts import one_line


class Command(BaseCommand):
    help = "Make the database ready: create it, install PGMQ, apply Flyway's migrations, then Django's own."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        done: list[str] = []

        def say(line: str) -> None:
            done.append(line)
            self.stdout.write(line)

        try:
            set_up(say)
        except (SetupError, PgmqError, FlywayError) as exc:
            raise CommandError(str(exc)) from exc
        except psycopg.Error as exc:
            raise CommandError(one_line(exc)) from exc
        if not done:
            self.stdout.write("The database is ready; nothing to do.")
