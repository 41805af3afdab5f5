"""Every operation of the API against its own document, by schemathesis: as viewer, operator and admin.

It sends what the document allows and what it does not, follows the links from one operation to the next, and checks
that each answer is one that the document tells of.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.api import ALL, token_of, user_with
from tests.support.site import served_site

CONFIG = Path(__file__).parent.parent / "support" / "schemathesis.toml"
RIGHTS = {"viewer": (), "operator": ALL[:2], "admin": ALL}
PHASES = {"viewer": "examples", "operator": "examples,stateful", "admin": "examples,coverage,fuzzing,stateful"}
SENT = """
    SELECT commandbus.send_commands('test', 'TestCommand', (
        SELECT jsonb_agg(jsonb_build_array(gen_random_uuid(), '{"type": "success"}'::jsonb, '{"order": 7}'::jsonb))
        FROM generate_series(1, 30)), 1, 'test__replies')
"""


@pytest.fixture(scope="module")
def address(database_url: str) -> Iterator[str]:
    """Where the document is, of a site on which nobody may read without a token."""
    with served_site(database_url, PUBLIC_READ="false") as site:
        yield f"{site}/api/v1/openapi.json"


def fill(url: str) -> None:
    """Commands that completed, that are parked, and that wait."""
    with psycopg.connect(url, autocommit=True) as conn:
        for kind, more in (("success", {"result": {"n": 1}}), ("permanent", {"error_code": "E", "error_msg": "no"})):
            conn.execute(SENT)
            row = conn.execute("SELECT commandbus.receive_commands('test', 30, 30)").fetchone()
            assert row is not None
            outcomes = [
                {"msg_id": one[0], "command_id": one[1], "attempt": one[7], "kind": kind, **more}
                for one in row[0]["commands"]
            ]
            conn.execute("SELECT commandbus.finish_commands('test', %s)", [Jsonb(outcomes)])
        conn.execute(SENT)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", RIGHTS)
def test_every_answer_is_one_that_the_document_tells_of(
    role: str, address: str, committed: str, accounts: None, tmp_path: Path
) -> None:
    fill(committed)
    token = token_of(user_with(*RIGHTS[role], name=role), *RIGHTS[role])
    attack = subprocess.run(
        [
            str(Path(sys.executable).with_name("st")), "--config-file", str(CONFIG), "run", address,
            "--header", f"Authorization: Bearer {token}", "--phases", PHASES[role], "--max-examples", "3",
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert attack.returncode == 0, attack.stdout + attack.stderr
