"""``manage.py flyway migrate|info|validate``: a thin shell round ``e2e_site/schema/flyway.py``."""

from typing import Any

from django.core.management.base import CommandParser

from e2e_site.command import SiteCommand
from e2e_site.database import session_params
from e2e_site.schema import flyway


class Command(SiteCommand):
    help = "Apply the migrations of migrations_flyway/, show where the schema stands, or compare it with the files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["migrate", "info", "validate"])
        parser.add_argument(
            "--runner",
            choices=["flyway", "builtin"],
            help="default: Flyway (FLYWAY_BIN, else `flyway` on PATH), and where there is none the built-in runner",
        )

    def handle(self, *args: Any, action: flyway.Action, runner: flyway.Runner | None, **options: Any) -> None:
        flyway.run(action, session_params(), runner=runner, say=self.stdout.write)
