"""``manage.py runserver``: Django's, WhiteNoise serving the static files, that also starts with the database down."""

from django.core.checks import Tags
from whitenoise.runserver_nostatic.management.commands import runserver


class Command(runserver.Command):  # type: ignore[misc]  # WhiteNoise builds its base class at run time
    def check_migrations(self) -> None:
        """Print what the database lacks, and go on.

        Django asks here for unapplied migrations, and ends where there is no database to ask; its other checks
        before serving leave the database out.
        """
        self.check(tags=[Tags.database], databases=["default"], display_num_errors=False)
