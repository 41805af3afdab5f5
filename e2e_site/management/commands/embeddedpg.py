"""``manage.py embeddedpg start|stop|status|url``: the embedded PostgreSQL by hand."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from e2e_site.command import SiteCommand
from e2e_site.embedded.cluster import Cluster, demo_cluster

NOT_RUNNING = 3  # as the "status" of init scripts ends, so that a script need not read the words


class Command(SiteCommand):
    help = "Start or stop the embedded PostgreSQL, show whether it runs, or print its address (with the password)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status", "url"])

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        cluster = demo_cluster(settings.BASE_DIR)
        self.stdout.write(getattr(self, f"_{action}")(cluster))

    def _start(self, cluster: Cluster) -> str:
        started = cluster.ensure_running(say=self.stderr.write)
        return f"{'Started' if started else 'Running'} on 127.0.0.1:{cluster.port}."

    def _stop(self, cluster: Cluster) -> str:
        if not cluster.is_running():
            return "Not running."
        cluster.stop()
        return "Stopped."

    def _status(self, cluster: Cluster) -> str:
        if not cluster.is_running():
            self.stdout.write("Not running.")
            sys.exit(NOT_RUNNING)
        return f"Running on 127.0.0.1:{cluster.port}, {cluster.clients()} client connections."

    def _url(self, cluster: Cluster) -> str:
        return cluster.url()
