"""What a command costs, counted over a full drain by the real worker: the same on every machine, so it can be held.

On a server of its own: the write-ahead log is the server's, and others would write to it.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.benchmark.results import Result, load
from e2e_site.embedded.cluster import Cluster
from tests.integration.conftest import Manage

COMMANDS = 4000
STATEMENTS = TRANSACTIONS = 0.05  # per command: two per batch of 200, and those of a start, an end and a beat
WAL_KB = 3.0
# The beginning of each session is a transaction, and reading the counters takes some too.
BESIDES = 25


@pytest.fixture
def costs(throwaway_cluster: Callable[[], Cluster], manage: Manage, tmp_path: Path) -> Result:
    """What `benchmark costs` counts, without the transactions of an autovacuum."""
    cluster = replace(throwaway_cluster(), options={"autovacuum": "off"})
    cluster.ensure_running()
    file = tmp_path / "costs.json"
    sizes = ("--size", f"costs.native={COMMANDS}", "--size", "costs.library=100")
    done = manage(cluster.url(), "benchmark", "costs", *sizes, "--runs", "1", "--json", str(file))
    assert done.returncode == 0, done.stdout
    return load(file)["costs"]


def test_a_command_costs_few_statements_transactions_and_bytes(costs: Result) -> None:
    per_command = {name: values[0] for name, values in costs.values.items()}

    statements, transactions = (per_command[f"native-{what}"] * COMMANDS for what in ("statements", "transactions"))
    assert statements >= 2 * COMMANDS / 200, "a batch has at most 200: so many statements there were at least"
    # Each statement is a transaction. What a finish notifies wakes the listening session, for a transaction of its own.
    assert 0 <= transactions - statements <= statements / 2 + BESIDES

    assert per_command["native-statements"] <= STATEMENTS
    assert per_command["native-transactions"] <= TRANSACTIONS
    assert per_command["native-round-trips"] <= STATEMENTS
    assert 0.5 < per_command["native-wal"] < WAL_KB, "every event is written, and not much more"
    # The same counting sees what the library spends: it counts.
    assert per_command["library-statements"] > 3
    assert per_command["library-transactions"] > 3
