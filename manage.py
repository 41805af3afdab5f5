#!/usr/bin/env python
"""Run a management command of the site: ``./manage.py help`` lists them.

What works with the database starts the embedded PostgreSQL, unless ``DATABASE_URL`` names another server.
"""

import os
import sys
from pathlib import Path

# First, as Python has it unless PYTHONSAFEPATH is set.
sys.path.insert(0, str(Path(__file__).resolve().parent))

try:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from e2e_site.options import Exit, SiteError
except ImportError as exc:
    print(f"manage.py: {exc}: run bin/setup, then .venv/bin/python manage.py.", file=sys.stderr)  # noqa: T201 — no logs yet
    sys.exit(2)


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "e2e_site.settings"  # another project's may be in a shell
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, SiteError) as exc:
        print(f"manage.py {''.join(sys.argv[1:2])}: {exc}", file=sys.stderr)  # noqa: T201 — the logs are not set up
        sys.exit(Exit.REFUSED)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main()
