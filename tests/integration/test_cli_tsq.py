"""``manage.py tsq``: the troubleshooting queue for a shell, and what an operator does to it from there."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from commands.models import Operation
from tests.support.bus import HandBus, outcome
from tests.support.command_line import CommandLine, Terminal

pytestmark = pytest.mark.django_db(transaction=True)

Park = Callable[..., list[UUID]]


@pytest.fixture
def park(bus: HandBus) -> Park:
    """Parks so many commands."""

    def parked(count: int = 1, *, code: str = "E", **more: Any) -> list[UUID]:
        ids = [bus.send({"type": "fail_permanent"}) for _ in range(count)]
        begun = bus.receive(1000)["commands"]
        bus.finish(*[outcome(i, begun[i], "permanent", error_code=code, **more) for i in ids])
        return ids

    return parked


def statuses(bus: HandBus, ids: list[UUID]) -> set[str]:
    return {bus.command(command_id)["status"] for command_id in ids}


def test_the_queue_and_its_groups_are_listed(park: Park, manage_py: CommandLine) -> None:
    (funds,), net = park(code="NO_FUNDS", error_msg="none left"), park(2, code="NET")
    (item,) = manage_py("tsq", "list", "--code=NO_FUNDS", "--json").json["items"]
    assert (item["command_id"], item["error_code"], item["error_message"]) == (str(funds), "NO_FUNDS", "none left")
    assert (item["behavior"], item["error_type"], item["attempts"]) == ("fail_permanent", "PERMANENT", 1)
    lines = manage_py("tsq", "list", "--limit=2")
    assert {line.split()[0] for line in lines.out.splitlines()[1:]} == {str(command_id) for command_id in net}
    cursor = lines.err.split()[-1]
    assert str(funds) in manage_py("tsq", "list", f"--cursor={cursor}").out
    groups = manage_py("tsq", "groups", "--json").json["items"]
    assert [(group["error_code"], group["behavior"], group["count"]) for group in groups] == [
        ("NET", "fail_permanent", 2),
        ("NO_FUNDS", "fail_permanent", 1),
    ]
    assert manage_py("tsq", "groups").out.splitlines()[1].split()[:3] == ["2", "NET", "fail_permanent"]
    assert manage_py("tsq", "list", "--text=left", "--json").json["items"] == [item]


def test_commands_named_by_their_ids_are_changed_at_once(bus: HandBus, park: Park, manage_py: CommandLine) -> None:
    first, second, third, fourth = park(4)
    answer = manage_py("tsq", "retry", first, second, "--as=success", "--reason=mended", "--operator=ada")
    assert (answer.code, answer.out) == (0, f"{first} was sent again.\n{second} was sent again.\n")
    assert statuses(bus, [first, second]) == {"PENDING"}
    assert bus.test_command(first)["behavior"] == {"type": "success"}
    details = bus.events(first)[-1]["details_json"]
    assert (details["operator"], details["reason"]) == ("ada", "mended")
    assert manage_py("tsq", "cancel", third, "--reason=no need").code == 0
    assert manage_py("tsq", "complete", fourth, "--result=-", "--json", stdin='{"by": 1.50}').json == {
        "action": "complete",
        "done": [str(fourth)],
        "left": [],
    }
    assert statuses(bus, [third]) == {"CANCELED"}
    assert bus.replies()[-1]["result"] == {"by": 1.5}


def test_ids_come_from_stdin(bus: HandBus, park: Park, manage_py: CommandLine) -> None:
    ids = park(3)
    answer = manage_py("tsq", "retry", "-", stdin="\n".join(map(str, ids)))
    assert (answer.code, statuses(bus, ids)) == (0, {"PENDING"})


def test_what_stands_elsewhere_by_now_is_left_and_told(bus: HandBus, park: Park, manage_py: CommandLine) -> None:
    (command_id,), gone = park(), uuid4()
    manage_py("tsq", "cancel", command_id, "--reason=x", "--operator=grace")
    answer = manage_py("tsq", "retry", command_id, gone)
    assert (answer.code, answer.out) == (1, "")
    assert f"{command_id} was left as it is: it was canceled by grace at " in answer.err
    assert f"{gone} was left as it is: it is gone: it was pruned, or never was." in answer.err
    left = manage_py("tsq", "retry", gone, "--json").json["left"]
    assert left == [{"command_id": str(gone), "status": None, "why": "is gone: it was pruned, or never was"}]


def test_all_that_match_are_changed_by_an_operation_when_that_is_confirmed(
    bus: HandBus, park: Park, manage_py: CommandLine
) -> None:
    others, ids = park(1, code="OTHER"), park(5, code="NET")
    words = ("tsq", "retry", "--matching", "--code=NET", "--as=success", "--operator=ada")
    refused = manage_py(*words)
    assert refused.code == 2
    assert "--yes is needed: 5 commands would be sent again, and there is no terminal to ask." in refused.err
    assert manage_py(*words, stdin=Terminal("4\n")).code == 2
    assert not Operation.objects.exists()
    answer = manage_py(*words, stdin=Terminal("5\n"))
    operation = Operation.objects.get()
    assert (answer.code, answer.out) == (0, f"Operation {operation.operation_id}: 5 retried.\n")
    assert "5 commands will be sent again. Type 5 to go on:" in answer.err
    assert (operation.state, operation.operator, operation.kind) == ("done", "ada", "retry")
    assert (statuses(bus, ids), statuses(bus, others)) == ({"PENDING"}, {"IN_TROUBLESHOOTING_QUEUE"})


def test_the_whole_queue_is_changed_where_that_is_said(bus: HandBus, park: Park, manage_py: CommandLine) -> None:
    ids = park(3)
    answer = manage_py("tsq", "cancel", "--all", "--reason=a drill", "--yes", "--json")
    assert answer.code == 0
    assert (answer.json["operation"]["kind"], answer.json["operation"]["done"]) == ("cancel", 3)
    assert statuses(bus, ids) == {"CANCELED"}
    empty = manage_py("tsq", "cancel", "--all", "--reason=a drill", "--yes")
    assert (empty.code, empty.err) == (1, "No parked command is met: nothing was done.\n")


def test_a_canary_without_a_worker_is_left_when_the_time_is_up(
    bus: HandBus, park: Park, manage_py: CommandLine
) -> None:
    park(3)
    answer = manage_py("tsq", "retry", "--all", "--yes", "--canary=10", "--max-wait=0.5")
    assert answer.code == 3
    assert "The time is up: 1 of 3 retried. Workers and manage.py operate go on with it" in answer.err


@pytest.mark.django_db  # nothing is committed
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--from=yesterday"], "--from must be a time such as 2026-05-01T14:30, "),
        (["list", f"--error-type={'x' * 101}"], "--error-type must be at most 100 characters."),
        (["list", "--cursor=x"], "--cursor must be the next that the list before gave: "),
        (["list", "--domain=none"], "--domain must be one of test, not 'none'."),
        (["retry"], "Which commands? Name their IDs, or --matching and a filter, or --all."),
        (["retry", "--matching"], "Which commands? "),
        (["retry", "--code=E"], "Which commands? "),
        (["retry", "--all", "--code=E"], "--all is without a filter: "),
        (["retry", "1234"], "ID must be a whole command id, not '1234'."),
        (["retry", "-"], "No ID came from stdin."),
        (["retry", str(uuid4()), "--matching", "--code=E"], "IDs, or --matching and a filter, or --all: one of them."),
        (["retry", "--all", "--as=succes"], "--as must be empty or one of success, "),
        (["retry", "--all", "--error-code=X"], "--error-code is for another behavior: "),
        (["retry", "--all", "--canary=100"], "--canary must be a whole number from 0 to 99."),
        (["retry", "--all", "--rate=0"], "--rate must be a whole number from 1 to 100,000."),
        (["cancel", "--all", "--yes"], "--reason: A reason is needed: who waits for a reply reads it."),
        (["complete", "--all", "--result={"], "--result: Not valid JSON: "),
        (["cancel", "--all", "--canary=1"], "unrecognized arguments: --canary=1"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_option(manage_py: CommandLine, words: list[str], said: str) -> None:
    answer = manage_py("tsq", *words)
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith(f"CommandError: {said}")
