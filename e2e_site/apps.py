from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import pre_migrate

from e2e_site.endless_times import bear_them
from e2e_site.libpq import settle_sessions
from e2e_site.roles import keep_after_migrate
from e2e_site.schema.django_tables import land_in_public


class SiteConfig(AppConfig):
    name = "e2e_site"

    def ready(self) -> None:
        settle_sessions()
        connection_created.connect(bear_them)
        pre_migrate.connect(land_in_public)  # called for every app that has models
        keep_after_migrate()
