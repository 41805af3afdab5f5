"""Messages that are no commands, and commands that the server refuses to change, among good ones under load."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest

from commands.bus.bulk import NewCommand
from commands.rules.behaviors import Behavior, BehaviorType
from tests.e2e.conftest import MakeLoad
from tests.support.bus import Json
from tests.support.workers import PARKED, LiveBus

pytestmark = pytest.mark.long  # the scenarios of the bench do the same in little

ROUNDS = 2

# What the queue may hold that is no command, and what is said of it.
NO_COMMANDS: list[tuple[object, str]] = [
    ("text", "not an object"),
    ([1, 2], "not an object"),
    (None, "not an object"),
    ({}, "no command_id"),
    ({"command_id": "no-uuid"}, "bad command_id"),
    ({"command_id": 7}, "bad command_id"),
    ({"command_id": str(uuid4())}, "unknown command"),
]

# The changes of a command's rows that a trigger refuses, and the deliveries that the command has.
REFUSED = {
    "begin in command": ("commandbus.command", "NEW.status = 'IN_PROGRESS'", 10),
    "begin in test_command": ("public.test_command", "NEW.attempts > OLD.attempts", 10),
    "any in command": ("commandbus.command", "TRUE", 10),
    "completion in command": ("commandbus.command", "NEW.status = 'COMPLETED'", 10),
    "result in test_command": ("public.test_command", "NEW.result IS NOT NULL", 10),
    "any end in command": ("commandbus.command", "NEW.status NOT IN ('PENDING', 'IN_PROGRESS')", 1),
}


def test_what_is_no_command_is_rejected_once_and_the_others_go_on(make_load: MakeLoad) -> None:
    load = make_load(lease=20)
    bus, worker = load.bus, load.worker()
    rejected: dict[int, str] = {}
    without_row: list[UUID] = []
    with load.stream.running(), load.fault() as fault:
        for _ in range(ROUNDS):
            load.wait_for_some_time()
            fault.hit(len(load.catch(worker)))
            rejected |= {bus.send_message(message): reason for message, reason in NO_COMMANDS}
            without_row += [bus.send(row=False) for _ in range(3)]
            for status in ("COMPLETED", PARKED):
                bus.send_message(copy_of_one(bus, status))
            worker.signal(signal.SIGCONT)
    load.assert_kept(exact=True, apart=without_row, rejected=len(rejected))

    events = bus.rows("SELECT details_json AS d FROM commandbus.audit WHERE event_type = 'MESSAGE_REJECTED'")
    assert {event["d"]["msg_id"]: event["d"]["reason"] for event in events} == rejected
    assert set(rejected) <= set(bus.archived())
    assert {bus.word(command_id) for command_id in without_row} == {"SRT"}
    assert {bus.command(command_id)["last_error_code"] for command_id in without_row} == {"TEST_COMMAND_NOT_FOUND"}


def copy_of_one(bus: LiveBus, status: str) -> Json:
    """The message of some command that is final."""
    query = "SELECT command_id FROM commandbus.command WHERE status = %s LIMIT 1"
    command_id = str(bus.value(query, [status]))
    return {"domain": "test", "command_type": "TestCommand", "command_id": command_id, "data": {}}


def test_a_command_that_the_server_refuses_is_parked_or_rejected_and_the_others_go_on(make_load: MakeLoad) -> None:
    load = make_load(lease=8)
    bus = load.bus
    culprits = [(change, uuid4()) for _ in range(ROUNDS) for change in REFUSED]
    with refusing(bus, culprits):
        worker = load.worker()
        with load.stream.running(), load.fault() as fault:
            for number in range(ROUNDS):
                load.wait_for_some_time()
                fault.hit(len(load.catch(worker)))
                for change, command_id in culprits[number * len(REFUSED) :][: len(REFUSED)]:
                    new = NewCommand(behavior=Behavior(type=BehaviorType.SUCCESS), command_id=command_id)
                    load.send(new, max_attempts=REFUSED[change][2])
                worker.signal(signal.SIGCONT)
        load.drain()
    rejected = [change for change, command_id in culprits if is_rejected(bus, change, command_id)]
    load.assert_kept(exact=True, apart=[command_id for _, command_id in culprits], rejected=len(rejected))
    assert set(rejected) < set(REFUSED), "None was parked"


@contextmanager
def refusing(bus: LiveBus, culprits: list[tuple[str, UUID]]) -> Iterator[None]:
    """Triggers that refuse these changes to these commands, by their names in `REFUSED`."""
    bus.conn.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'refused: %', TG_NAME; END $$"
    )
    try:
        for change, (table, condition, _) in REFUSED.items():
            ids = [str(command_id) for name, command_id in culprits if name == change]
            bus.conn.execute(
                f"""CREATE TRIGGER "{change}" BEFORE UPDATE ON {table} FOR EACH ROW
                WHEN (NEW.command_id = ANY ('{{{",".join(ids)}}}'::uuid[]) AND {condition})
                EXECUTE FUNCTION public.refuse()""".encode()
            )
        yield
    finally:
        bus.conn.execute("DROP FUNCTION public.refuse() CASCADE")


def is_rejected(bus: LiveBus, change: str, command_id: UUID) -> bool:
    """Whether the message of this culprit was rejected, once; else it has to be parked. Either gives the reason."""
    command = bus.command(command_id)
    assert command["msg_id"] in bus.archived()
    rejections = bus.rows(
        "SELECT details_json ->> 'reason' AS reason FROM commandbus.audit "
        "WHERE event_type = 'MESSAGE_REJECTED' AND (details_json ->> 'msg_id')::bigint = %s",
        [command["msg_id"]],
    )
    word = bus.word(command_id)
    if rejections:
        assert len(rejections) == 1, change
        assert f"refused: {change}" in rejections[0]["reason"]
        assert word in ("S", "SR"), change
        return True
    assert (word, command["status"]) == ("SRT", PARKED), change
    assert f"refused: {change}" in command["last_error_msg"]
    return False
