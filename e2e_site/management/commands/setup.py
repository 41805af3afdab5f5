"""``manage.py setup``: a thin shell round ``e2e_site/schema/setup.py``."""

from typing import Any

from e2e_site.command import SiteCommand
from e2e_site.schema.setup import set_up


class Command(SiteCommand):
    help = "Make the database ready: create it, install PGMQ, apply Flyway's migrations, then Django's own."

    def handle(self, *args: Any, **options: Any) -> None:
        done: list[str] = []

        def say(line: str) -> None:
            done.append(line)
            self.stdout.write(line)

        set_up(say)
        if not done:
            self.stdout.write("The database is ready; nothing to do.")
