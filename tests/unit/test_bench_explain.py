"""``manage.py bench explain``: what has to become of a command, in words and as JSON."""

import io
import json
from argparse import ArgumentParser
from typing import Any

import pytest

from bench.cli import explain
from e2e_site.options import Exit


class Lines(io.StringIO):
    """As Django's output: each text is a line."""

    def write(self, text: str) -> int:
        return super().write(f"{text}\n")


def explained(*words: str) -> str:
    parser = ArgumentParser()
    explain.add_arguments(parser)
    options: dict[str, Any] = vars(parser.parse_args(words))
    out = Lines()
    assert explain.handle(options, out) == Exit.DONE
    return out.getvalue()


def test_it_says_what_has_to_happen() -> None:
    assert explained("fail_transient_then_succeed", "--failures=2", "--lease=2").splitlines() == [
        "Fails twice, then completes at attempt 3, after about 3 s.",
        "Status    Completed",
        "Attempts  3 attempts",
        "Retries   2",
        (
            "Events    SRFRFRC: Sent, Received, Failed, will be retried, Received, Failed, will be retried, Received, "
            "Completed"
        ),
        "Replies   1, SUCCESS",
        "Ends      3 s to 4.65 s after its first attempt began",
    ]


def test_leases_slots_and_lost_attempts_count() -> None:
    said = explained("timeout", "--sleep=2.5L", "--lease=2", "--no-reply")
    assert "Attempts  1 to 3 attempts" in said
    assert "Events    as SR{1,3}C" in said
    assert "Too late  0 to 2 completed, 0 failed" in said
    assert "Replies   none" in said
    assert "Attempts  3 attempts" in explained("timeout", "--sleep=2.5L", "--lease=2", "--slots=3")
    assert "Status    Completed or In TSQ" in explained("success", "--kills=3")
    assert "Attempts  1 attempt\n" in explained("success", "--sleep=1m", "--heartbeat")


def test_a_program_reads_it_as_json() -> None:
    told = json.loads(explained("fail_permanent", "--kills=1", "--json"))
    assert told["sentence"].startswith("Fails for good at attempt 1, then goes to the TSQ")
    assert (told["statuses"], told["attempts"], told["word"], told["pattern"], told["reply"]) == (
        ["IN_TROUBLESHOOTING_QUEUE"], [1, 2], None, "SR{1,2}T", None,
    )  # fmt: skip
    assert json.loads(explained("success", "--json"))["word"] == "SRC"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["success", "--failures=2"], "--failures is of fail_transient_then_succeed; success has none."),
        (["success", "--sleep=2L", "--lease=43200"], "--sleep must be at most 1 h, not 2L."),
    ],
)
def test_such_a_command_there_cannot_be(words: list[str], said: str) -> None:
    with pytest.raises(explain.CallError, match=said):
        explained(*words)
