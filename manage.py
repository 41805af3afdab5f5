#!/usr/bin/env python
"""Run a management command of the site: ``./manage.py help`` lists them.

Commands that need a database start the embedded one first, unless ``DATABASE_URL`` names another.
"""

import os
import sys
from pathlib import Path

try:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from e2e_site.address import Address, AddressError
    from e2e_site.embedded.cluster import EmbeddedError, demo_cluster
except ImportError as exc:
    sys.exit(f"manage.py: {exc}: run bin/setup, then .venv/bin/python manage.py.")

USES_DATABASE = {
    "benchmark",
    "changepassword",
    "clearsessions",
    "createsuperuser",
    "dbshell",
    "demo",
    "dumpdata",
    "flyway",
    "inspectdb",
    "loaddata",
    "loadtest",
    "migrate",
    "pgmq",
    "prune",
    "runserver",
    "runworker",
    "setup",
    "shell",
    "showmigrations",
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "e2e_site.settings")
    command, arguments = "".join(sys.argv[1:2]), sys.argv[2:]
    try:
        if command == "demo":
            Address.of(os.environ).check_free()  # before anything is started
        if command in USES_DATABASE and not {"-h", "--help"} & set(arguments) and not os.environ.get("DATABASE_URL"):
            # Before the settings are read: the first start makes the port, the password and the SECRET_KEY.
            demo_cluster(Path(__file__).resolve().parent).ensure_running()
        execute_from_command_line(sys.argv)
    except (AddressError, EmbeddedError, ImproperlyConfigured) as exc:
        sys.exit(f"manage.py {command}: {exc}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
