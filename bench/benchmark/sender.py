"""A program that sends commands in bulk and says how long it took and how much memory it had."""

import argparse
import time
from typing import Any

from bench.programs import own_peak_mb
from commands.bus.bulk import NewCommand, send_many
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import DOMAIN
from e2e_site.database import connection_params


def main(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    options = parser.parse_args(arguments)
    behavior = Behavior(type=BehaviorType.SUCCESS)
    began = time.monotonic()
    send_many(
        connection_params(),
        DOMAIN,
        (NewCommand(behavior=behavior) for _ in range(options.count)),
        max_attempts=3,
        connections=options.connections,
    )
    seconds = time.monotonic() - began
    return {"seconds": seconds, "peak_mb": own_peak_mb()}
