"""From each release on: its database is brought up to date, and nothing in it is lost or done twice."""

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from e2e_site.schema import flyway, pgmq
from tests.integration.conftest import Manage
from tests.support.releases import CONFIG, releases

SENT = """
    SELECT commandbus.send_commands('test', 'TestCommand', (
        SELECT jsonb_agg(jsonb_build_array(gen_random_uuid(), %s::jsonb, '{"order": 7}'::jsonb))
        FROM generate_series(1, %s)), 3, 'test__replies')
"""
OUTCOME: dict[str, dict[str, Any]] = {
    "success": {"result": {"n": 1}},
    "permanent": {"error_code": "E", "error_msg": "went wrong"},
}


def old_database(release: Path, folder: Path, url: str) -> None:
    """Make the database as that release did, with commands that wait, run, completed and are parked."""
    with zipfile.ZipFile(release) as kept:
        kept.extractall(folder)
    with psycopg.connect(url, autocommit=True) as conn:
        pgmq.install(conn)
        flyway.run("migrate", {"conninfo": url}, runner="builtin", say=lambda line: None, config_file=folder / CONFIG)
        for kind, count in (("success", 6), ("fail_permanent", 2)):
            conn.execute(SENT, [Jsonb({"type": kind}), count])
        for kind in ("success", "permanent", "none"):
            (answer,) = conn.execute("SELECT commandbus.receive_commands('test', 2, 1)").fetchone() or (None,)
            assert answer
            outcomes = [
                {"msg_id": row[0], "command_id": row[1], "attempt": row[7], "kind": kind, **OUTCOME.get(kind, {})}
                for row in answer["commands"]
            ]
            if kind in OUTCOME:
                conn.execute("SELECT commandbus.finish_commands('test', %s)", [Jsonb(outcomes)])


@pytest.mark.parametrize("release", releases(), ids=lambda file: file.stem)
def test_a_database_of_a_release_is_brought_up_to_date_and_goes_on(
    release: Path, tmp_path: Path, empty_database: Callable[[], str], manage: Manage
) -> None:
    url = empty_database()
    old_database(release, tmp_path, url)
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as conn:
        before = conn.execute("SELECT command_id, status, attempts FROM commandbus.command").fetchall()
        events = conn.execute("SELECT * FROM commandbus.audit ORDER BY audit_id").fetchall()
        assert sorted(row["status"] for row in before) == (
            ["COMPLETED"] * 2 + ["IN_PROGRESS"] * 2 + ["IN_TROUBLESHOOTING_QUEUE"] * 2 + ["PENDING"] * 2
        )

        def done(answer: "subprocess.CompletedProcess[str]") -> str:
            assert answer.returncode == 0, answer.stderr
            return answer.stdout

        done(manage(url, "setup"))
        assert conn.execute("SELECT * FROM commandbus.audit ORDER BY audit_id").fetchall() == events
        assert conn.execute("SELECT command_id, status, attempts FROM commandbus.command").fetchall() == before
        done(manage(url, "runworker", "--once", "--max-wait", "60"))
        after = conn.execute("SELECT status, count(*) FROM commandbus.command GROUP BY 1").fetchall()
        # The two that fail for good were sent last.
        assert {row["status"]: row["count"] for row in after} == {"COMPLETED": 4, "IN_TROUBLESHOOTING_QUEUE": 4}
