"""``manage.py bench database``: a whole bus in a database of its own, for as long as another program wants it."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.db import connections

from e2e_site.options import Exit
from e2e_site.schema.own_database import own_database

HELP = "Make a database with the whole bus in it, print its address, and drop it when standard input ends."
PURPOSE = "bench"


def add_arguments(parser: ArgumentParser) -> None:
    """None."""


def handle(options: dict[str, Any], out: Any) -> Exit:
    connections.close_all()
    with own_database(PURPOSE) as own:
        out.write(json.dumps({"name": own.name, "url": own.url}))
        out.flush()
        sys.stdin.read()
    return Exit.DONE
