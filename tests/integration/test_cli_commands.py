"""``manage.py commands``: what the pages list and show, as lines for people and as JSON for programs."""

import json
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from tests.support.bus import HandBus, outcome
from tests.support.command_line import CommandLine

LISTED = {
    "id", "domain", "command_type", "behavior", "status", "attempts", "max_attempts", "error_code", "error_message",
    "created_at", "updated_at",
}  # fmt: skip
pytestmark = pytest.mark.django_db(transaction=True)


def ended(bus: HandBus, kind: str, behavior: str, **more: str) -> UUID:
    command_id = bus.send({"type": behavior})
    bus.finish(outcome(command_id, bus.begin(command_id), kind, **more))
    return command_id


def test_a_list_is_what_the_filter_meets_for_people_and_for_programs(bus: HandBus, manage_py: CommandLine) -> None:
    done = ended(bus, "success", "success")
    parked = ended(bus, "permanent", "fail_permanent", error_code="NO_FUNDS", error_msg="none\nleft \x1b[31m")
    answer = manage_py("commands", "list", "--status=IN_TROUBLESHOOTING_QUEUE", "--json")
    (item,) = answer.json["items"]
    assert (answer.code, answer.err, set(item)) == (0, "", LISTED)
    assert (item["id"], item["status"], item["behavior"]) == (
        str(parked), "IN_TROUBLESHOOTING_QUEUE", "fail_permanent",
    )  # fmt: skip
    assert (item["error_code"], item["error_message"], item["attempts"]) == ("NO_FUNDS", "none\nleft \x1b[31m", 1)
    assert datetime.fromisoformat(item["created_at"]).utcoffset() is not None
    assert (answer.json["next"], answer.json["looked"], answer.json["reach"]) == (None, None, None)
    lines = manage_py("commands", "list").out.splitlines()
    assert lines[0].split() == ["ID", "SENT", "(UTC)", "STATUS", "ATTEMPTS", "BEHAVIOR", "ERROR"]
    assert [line.split()[0] for line in lines[1:]] == [str(parked), str(done)]
    assert lines[1].endswith(r"NO_FUNDS: none\nleft \x1b[31m")
    assert len({line.index(word) for line, word in zip(lines, ("STATUS", "In TSQ", "Completed"), strict=True)}) == 1


def test_a_page_says_where_the_next_one_begins(bus: HandBus, manage_py: CommandLine) -> None:
    ids = [str(bus.send()) for _ in range(5)][::-1]
    seen: list[str] = []
    cursor = ""
    for size in (2, 2, 1):
        page = manage_py("commands", "list", "--limit=2", f"--cursor={cursor}", "--json").json
        assert len(page["items"]) == size
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"] or ""
    assert (seen, cursor) == (ids, "")
    first = manage_py("commands", "list", "--limit=2")
    assert first.err.startswith("More: --cursor ")
    assert manage_py("commands", "list", "--status=CANCELED").err == "None is met.\n"


def test_several_statuses_and_a_range_of_time_are_met(bus: HandBus, manage_py: CommandLine) -> None:
    parked, failed = ended(bus, "permanent", "fail_permanent"), ended(bus, "business_rule", "business_rule")
    ended(bus, "success", "success")
    words = ("--status=FAILED", "--status=IN_TROUBLESHOOTING_QUEUE", "--from=1h", "--json")
    found = manage_py("commands", "list", *words).json["items"]
    assert {item["id"] for item in found} == {str(parked), str(failed)}
    assert manage_py("commands", "list", "--to=1h", "--json").json["items"] == []


def test_one_command_is_shown_with_what_had_to_become_of_it(bus: HandBus, manage_py: CommandLine) -> None:
    command_id = ended(bus, "permanent", "fail_permanent", error_code="PERMANENT", error_msg="broken")
    shown = manage_py("commands", "show", command_id)
    assert shown.code == 0
    lines = {line.split("  ")[0]: line for line in shown.out.splitlines()}
    assert lines["Status"].endswith("In TSQ, attempt 1 of 3")
    assert lines["Match"].endswith("It ended as it had to.")
    assert lines["Error"].endswith("PERMANENT: broken")
    assert [line.split("  ")[1] for line in shown.out.splitlines()[-3:]] == ["Sent", "Received", "Moved to TSQ"]
    told = manage_py("commands", "show", str(command_id)[:14], "--json").json
    assert (told["id"], told["status"]) == (str(command_id), "IN_TROUBLESHOOTING_QUEUE")
    assert (told["expected"]["verdict"], told["expected"]["statuses"]) == ("MATCH", ["IN_TROUBLESHOOTING_QUEUE"])
    sent, attempt = told["timeline"]
    assert (sent["event"]["type"], attempt["attempt"]["outcome"]) == ("SENT", "MOVED_TO_TSQ")
    assert told["error"] == {"type": "PERMANENT", "code": "PERMANENT", "message": "broken"}


def test_stored_json_is_printed_with_every_digit(bus: HandBus, manage_py: CommandLine) -> None:
    command_id = bus.send()
    payload = '{"big": 123456789012345678901234567890, "small": 0.10000000000000000000000001, "text": "a  b\\nc"}'
    bus.conn.execute("UPDATE test_command SET payload = %s WHERE command_id = %s", [payload, command_id])
    out = manage_py("commands", "show", command_id, "--json").out
    for part in payload.strip("{}").split(", "):
        assert part in out
    assert json.loads(out)["payload"]["text"] == "a  b\nc"
    assert '"text": "a  b\\nc"' in manage_py("commands", "show", command_id).out


def test_a_wait_ends_with_the_verdict(bus: HandBus, manage_py: CommandLine) -> None:
    as_expected = ended(bus, "success", "success")
    assert manage_py("commands", "show", as_expected, "--wait").code == 0
    otherwise = ended(bus, "success", "fail_permanent")
    answer = manage_py("commands", "show", otherwise, "--wait")
    assert (answer.code, answer.out.splitlines()[-1]) == (1, "It is Completed and had to be In TSQ.")
    waiting = bus.send()
    answer = manage_py("commands", "show", waiting, "--wait=0.1")
    assert (answer.code, answer.out) == (3, "The time is up. It waits for its first attempt.\n")
    assert answer.err == "No worker serves test: manage.py runworker starts one.\n"


@pytest.mark.django_db  # nothing is committed
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--status=DONE"], "--status must be one of PENDING, "),
        (["list", "--from=yesterday"], "--from: It must be a time in UTC, "),
        (["list", "--attempts=0"], "--attempts must be a whole number from 1 to "),
        (["list", "--domain=none"], "--domain: There is no such domain: test."),
        (["list", "--limit=0"], "--limit must be a whole number from 1 to 1,000, not '0'."),
        (["list", "--cursor=x"], "--cursor must be the next that the list before gave: "),
        (["list", "--operation=7"], "--operation: There is no operation 7."),
        (["show", "xyz"], "ID must be a command id or its beginning, "),
        (["show", str(uuid4())], "There is no command "),
        (["show"], "the following arguments are required: ID"),
        ([], "the following arguments are required: list|show"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_option(manage_py: CommandLine, words: list[str], said: str) -> None:
    answer = manage_py("commands", *words)
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith(f"CommandError: {said}")


def test_a_beginning_that_several_ids_have_names_none(bus: HandBus, manage_py: CommandLine) -> None:
    command_id = bus.send()
    other = UUID(int=command_id.int ^ 1)
    bus.conn.execute(
        "INSERT INTO commandbus.command"
        " (domain, queue_name, command_id, command_type, status, max_attempts, reply_queue)"
        " VALUES ('test', 'test__commands', %s, 'TestCommand', 'COMPLETED', 3, '')",
        [other],
    )
    answer = manage_py("commands", "show", str(command_id)[:20])
    assert answer.err.startswith("CommandError: Several commands' ids begin with ")
