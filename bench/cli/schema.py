"""``manage.py bench schema``: what editors complete and check scenarios by."""

import json
from argparse import ArgumentParser
from typing import Any

from bench.scenarios.schema import schema
from e2e_site.options import Exit

HELP = "Print the JSON Schema of scenarios, as docs/scenario.schema.json has it."


def add_arguments(parser: ArgumentParser) -> None:
    """None."""


def handle(options: dict[str, Any], out: Any) -> Exit:
    out.write(json.dumps(schema(), indent=2))
    return Exit.DONE
