"""Runs one of the modules here as a program: ``python -m bench.benchmark.program sender --count 1000 …``.

The module's ``main`` gets the arguments; what it returns is printed as one JSON object.
"""

import json
import sys
from importlib import import_module

import django

if __name__ == "__main__":
    django.setup()
    module = import_module(f"bench.benchmark.{sys.argv[1]}")
    print(json.dumps(module.main(sys.argv[2:])))  # noqa: T201 — its answer
