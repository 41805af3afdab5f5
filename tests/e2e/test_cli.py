"""The console's command line beside a worker: docs/command-line.md as it stands, verdicts, and how it is ended."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from uuid import UUID

import pytest

from e2e_site.programs import manage_command
from tests.conftest import StartManage
from tests.e2e.conftest import StartWorker
from tests.support.clusters import CHECKOUT
from tests.support.command_line import CommandLine
from tests.support.programs import inherited_environment
from tests.support.workers import LiveBus

# What each pipeline of the page prints, in the order of the page.
PRINTED = [
    ["as promised"],
    ["7 COMPLETED COMPLETED"],
    ["10 COMPLETED", "10 FAILED", "10 IN_TROUBLESHOOTING_QUEUE"],
    ["10 NO_FUNDS"],
    ["3"],
    ["7"],
    ["7 CANCELED"],
]


def pipelines() -> tuple[str, list[str]]:
    """The function that the page begins with, as this Python's, and its pipelines."""
    page = (CHECKOUT / "docs" / "command-line.md").read_text()
    function, *found = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert ".venv/bin/python manage.py" in function
    return function.replace(".venv/bin/python manage.py", shlex.join(map(str, manage_command()))), found


def test_the_pipelines_of_the_page_do_what_it_says(bus: LiveBus, start_worker: StartWorker, database_url: str) -> None:
    if shutil.which("jq") is None:
        why = "PIPELINES NOT TESTED: there is no jq; run bin/setup --jq."
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    bus.settings(base_delay_ms=100)
    start_worker()
    function, found = pipelines()
    script = "\n".join(["set -eu", function, *(f"{pipeline}echo ---" for pipeline in found)])
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=CHECKOUT,
        env=inherited_environment(DATABASE_URL=database_url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    printed = [part.strip().splitlines() for part in done.stdout.split("---\n")[:-1]]
    assert printed == PRINTED, done.stderr
    assert done.returncode == 0


@pytest.mark.django_db(transaction=True)
def test_a_wait_says_whether_what_was_sent_ended_as_it_had_to(
    bus: LiveBus, start_worker: StartWorker, manage_py: CommandLine
) -> None:
    start_worker()
    one = manage_py("send", "--behavior=fail_permanent", "--wait=30")
    command_id, ended, reason = one.out.splitlines()
    assert (one.code, one.err, reason) == (0, "", "It ended as it had to.")
    assert ended.startswith("In TSQ after ")
    assert bus.word(UUID(command_id)) == "SRT"
    many = manage_py("send", "--count=40", "--mix=success=3,business_rule=1", "--in-turn", "--wait=30")
    assert many.code == 0
    lines = [line.split() for line in many.out.splitlines()[1:]]
    assert ["20", "Completed", "Completed", "success"] in lines
    assert ["20", "Failed", "Failed", "business_rule"] in lines
    assert many.out.splitlines()[-1] == "All ended as they had to."


def test_a_wait_is_ended_by_ctrl_c(committed: str, start_manage: StartManage) -> None:
    waiting = start_manage("send", "--behavior=success", "--wait")
    waiting.wait_for_output("No worker serves test: manage.py runworker starts one.")
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait() == 130
    assert waiting.output.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in waiting.output


def test_a_reader_that_has_had_enough_ends_a_list_quietly(bus: LiveBus) -> None:
    for _ in range(5):
        bus.send()
    listing = subprocess.Popen(
        list(map(str, manage_command("commands", "list", "--json"))),
        cwd=CHECKOUT,
        env=inherited_environment(DATABASE_URL=bus.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert listing.stdout is not None
    listing.stdout.close()
    _, said = listing.communicate(timeout=30)
    assert (listing.returncode, said) == (0, "")
