"""``manage.py demo``: the whole site from one command; ``bin/demo`` calls it after ``bin/setup``."""

import os
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections, transaction

from commands.bus.send import send_test_command
from commands.checks import problems, refuse
from commands.rules.behaviors import Behavior, BehaviorType
from e2e_site.address import LOCAL_NAMES, Address
from e2e_site.command import SiteCommand
from e2e_site.embedded.cluster import EmbeddedError, demo_cluster
from e2e_site.programs import Keeper, Program, manage_command
from e2e_site.schema.setup import set_up
from e2e_site.supervisor import Stopped, Supervisor
from settings_app.models import Worker

WORKER_GRACE_S = 30
BENCH_GRACE_S = 10  # a run is canceled
WEB_GRACE_S = 10
# One command of each behavior; together they take a few seconds with the default settings.
SAMPLES = (
    Behavior(type=BehaviorType.SUCCESS),
    Behavior(type=BehaviorType.FAIL_PERMANENT),
    Behavior(type=BehaviorType.BUSINESS_RULE),
    Behavior(type=BehaviorType.FAIL_TRANSIENT),
    Behavior(type=BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED, transient_failures=2),
    Behavior(type=BehaviorType.TIMEOUT, execution_time_ms=3000),
)


class Command(SiteCommand):
    help = "Start database, web server and one worker, and keep them running until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--empty", action="store_true", help="send no commands on the first start")
        parser.add_argument(
            "--admin",
            action="store_true",
            help="also on a database of your own: make the superuser admin, and the commands of the first start",
        )

    def handle(self, *, empty: bool, admin: bool, **options: Any) -> None:
        address = Address.of(os.environ)
        address.check_free()  # before anything is started
        os.environ.setdefault("ALLOWED_HOSTS", ",".join(address.names))  # for the web server
        # Stopped in this order: nothing new is sent while the worker drains but what people send.
        worker = Program("worker", manage_command("runworker", f"--grace={WORKER_GRACE_S}"), grace=WORKER_GRACE_S + 5)
        bench = Program("bench", manage_command("bench", "work"), grace=BENCH_GRACE_S)
        web = Program("web server", manage_command("serve"), grace=WEB_GRACE_S)
        supervisor = Supervisor([worker, bench, web], say=self.say)
        with supervisor.listening():
            try:
                self.prepare(admin=admin or settings.EMBEDDED, samples=not empty)
                self.say("Starting the worker.")
                supervisor.start(worker, lambda: Worker.objects.live().filter(pid=worker.pid).exists())
                bench.start()  # what people start in the pages; nothing waits for it
                self.say(f"Starting the web server on {address.bind}.")
                supervisor.start(web, address.answers)
                self.say_where(address)
                connections.close_all()
                supervisor.keep(self.database_keeper())
            except Stopped:
                pass
            finally:
                connections.close_all()
                supervisor.stop()
                self.stop_database()

    def say(self, line: str) -> None:
        with suppress(OSError):  # the terminal may be gone; stopping goes on
            self.stdout.write(line)
            self.stdout.flush()

    def prepare(self, *, admin: bool, samples: bool) -> None:
        """Make the database ready; with `admin` on its first start with that user, and one command of each behavior."""
        self.say("Preparing the database.")
        set_up(self.say)
        refuse(problems())
        with transaction.atomic():
            if not admin or User.objects.filter(username="admin").exists():
                return
            User.objects.create_superuser("admin", password=demo_cluster(settings.BASE_DIR).admin_password())
            if samples:
                for behavior in SAMPLES:
                    send_test_command(behavior)
                self.say("Sent one command of each behavior.")

    def say_where(self, address: Address) -> None:
        self.say(f"\n  {address.url}\n  {self.login()}\n")
        if address.host not in LOCAL_NAMES:
            self.say(f"It answers to {os.environ['ALLOWED_HOSTS'].replace(',', ', ')} (ALLOWED_HOSTS names others).")
        self.say("Ctrl-C stops everything.")

    def login(self) -> str:
        user = User.objects.filter(username="admin").first()
        if user is None:
            return "login: none was made, the database is yours; --admin makes one, manage.py createsuperuser another"
        password = demo_cluster(settings.BASE_DIR).admin_password()
        return f"login: admin, password: {password if user.check_password(password) else 'as you set it'}"

    def database_keeper(self) -> Keeper | None:
        """Keeps the embedded database; another one is kept by its administrator."""
        if not settings.EMBEDDED:
            return None
        cluster = demo_cluster(settings.BASE_DIR)

        def start() -> None:
            try:
                cluster.ensure_running(self.say)
            except EmbeddedError as exc:
                self.say(str(exc))

        return Keeper(name="database", is_up=cluster.is_running, start=start)

    def stop_database(self) -> None:
        """Stop the embedded database unless other clients work with it."""
        cluster = demo_cluster(settings.BASE_DIR)
        if not settings.EMBEDDED or not cluster.is_running():
            return
        try:
            clients = cluster.clients(settle=2)
        except psycopg.OperationalError:
            clients = 0  # it does not answer, so no client works with it
        if clients:
            self.say(f"Other clients are connected ({clients}): the database stays. manage.py embeddedpg stop ends it.")
        else:
            self.say("Stopping the database.")
            cluster.stop()
