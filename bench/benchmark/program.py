"""The modules here that are measured as programs: `answer_of` runs one, ``python -m bench.benchmark.program`` is it.

The module's ``main`` gets the arguments; what it returns is printed as one JSON object.
"""

import json
import sys
from importlib import import_module
from typing import Any

import django

from bench.programs import MeasuredProgram
from e2e_site.schema.own_database import OwnDatabase


def answer_of(database: OwnDatabase, module: str, *arguments: str) -> dict[str, Any]:
    """What the ``main`` of one of the modules here returns, run as a program on the database; raises BenchError."""
    command = [sys.executable, "-m", __name__, module, *arguments]
    with MeasuredProgram(command, database.environment()) as program:
        answer: dict[str, Any] = json.loads(program.wait().splitlines()[-1])
        return answer


if __name__ == "__main__":
    django.setup()
    main = import_module(f"bench.benchmark.{sys.argv[1]}").main
    print(json.dumps(main(sys.argv[2:])))  # noqa: T201 — its answer
