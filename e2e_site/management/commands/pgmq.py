"""``manage.py pgmq install``: a thin shell round ``e2e_site/schema/pgmq.py``."""

from typing import Any

import psycopg
from django.core.management.base import CommandParser

from e2e_site.command import SiteCommand
from e2e_site.database import session_params
from e2e_site.schema import pgmq


class Command(SiteCommand):
    help = "Install PGMQ in the database: the extension where the server offers it, else as plain SQL."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["install"])

    def handle(self, *args: Any, **options: Any) -> None:
        with psycopg.connect(**session_params()) as conn:
            word = "installed" if pgmq.install(conn) else "is there already"
            version = pgmq.status(conn).version or "(of a version that it does not tell)"
        self.stdout.write(f"PGMQ {version} {word}.")
