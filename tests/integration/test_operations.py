"""What people ask to be done to many parked commands: once for each, by whichever process comes, stopped in time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from commands.bus.operations import ParkedFilter, cancel, count_parked, operate_on
from commands.bus.operators import Action, act
from commands.models import Operation
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import EventType, OperationKind, Status
from tests.support.bus import HandBus, Json, outcome
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

LATER = datetime(2100, 1, 1, tzinfo=UTC)
RETRY = Action(kind=OperationKind.RETRY, operator="ada", reason="fixed")
CANCEL = Action(kind=OperationKind.CANCEL, operator="ada", reason="no longer wanted")
COMPLETE = Action(kind=OperationKind.COMPLETE, operator="ada", reason="done by hand", result={"by": "hand"})

Park = Callable[..., list[UUID]]


@pytest.fixture
def park(bus: HandBus) -> Park:
    """Parks so many commands."""

    def parked(count: int = 1, **options: Any) -> list[UUID]:
        error = options.pop("code", "E")
        ids = [bus.send({"type": "fail_permanent"}, **options) for _ in range(count)]
        begun = bus.receive(1000)["commands"]
        bus.finish(*[outcome(i, begun[i], "permanent", error_code=error) for i in ids])
        return ids

    return parked


def work(bus: HandBus, limit: int = 5000) -> Json:
    answer: Json = bus.value("SELECT commandbus.work_operation(%s)", [limit])
    return answer


def work_all(bus: HandBus, limit: int = 5000) -> None:
    while work(bus, limit)["operation"] is not None:
        pass


def chosen(**values: Any) -> ParkedFilter:
    return ParkedFilter(until=LATER, **values)


class TestAtOnce:
    def test_a_retry_sends_the_same_message_again(self, bus: HandBus, park: Park) -> None:
        ids = park(3)
        acted = act(RETRY, ids)
        assert (acted.done, acted.left) == (ids, {})
        for command_id in ids:
            command = bus.command(command_id)
            assert (command["status"], command["attempts"], command["last_error_code"]) == ("PENDING", 0, None)
            details = bus.events(command_id)[-1]["details_json"]
            assert details == {"operator": "ada", "reason": "fixed", "new_msg_id": command["msg_id"]}
        begun = bus.receive(10)["commands"]
        bus.finish(*[outcome(i, begun[i]) for i in ids])
        assert {bus.word(i) for i in ids} == {"SRTORC"}

    def test_a_retry_may_change_what_is_done_and_the_audit_keeps_what_was(self, bus: HandBus, park: Park) -> None:
        (command_id,) = park(max_attempts=2)
        success = Behavior.from_json({"type": "success"})
        changed = Action(
            kind=OperationKind.RETRY, operator="ada", behavior=success, payload={"a": None}, max_attempts=5
        )
        act(changed, [command_id])
        row, command = bus.test_command(command_id), bus.command(command_id)
        assert (row["behavior"], row["payload"], command["max_attempts"]) == ({"type": "success"}, {"a": None}, 5)
        details = bus.events(command_id)[-1]["details_json"]
        assert (details["old_behavior"], details["old_payload"]) == ({"type": "fail_permanent"}, {})
        assert (details["behavior"], details["payload"], details["max_attempts"]) == (
            {"type": "success"}, {"a": None}, 5,
        )  # fmt: skip
        assert bus.begin(command_id)["behavior"] == {"type": "success"}
        message = bus.value("SELECT message -> 'data' FROM pgmq.q_test__commands")
        assert message == {"a": None}

    def test_max_attempts_are_raised_and_never_lowered(self, bus: HandBus, park: Park) -> None:
        (command_id,) = park(max_attempts=4)
        act(Action(kind=OperationKind.RETRY, operator="ada", max_attempts=2), [command_id])
        assert bus.command(command_id)["max_attempts"] == 4

    def test_a_cancel_and_a_completion_are_final_and_replied(self, bus: HandBus, park: Park) -> None:
        canceled, completed = park(2)
        act(CANCEL, [canceled])
        act(COMPLETE, [completed])
        assert [bus.command(i)["status"] for i in (canceled, completed)] == ["CANCELED", "COMPLETED"]
        assert [bus.word(i) for i in (canceled, completed)] == ["SRTX", "SRTK"]
        assert bus.test_command(completed)["result"] == {"by": "hand"}
        assert [(r["outcome"], r.get("reason"), r.get("result")) for r in bus.replies()] == [
            ("CANCELED", "no longer wanted", None),
            ("SUCCESS", None, {"by": "hand"}),
        ]

    def test_the_second_operator_is_told_who_was_first(self, bus: HandBus, park: Park) -> None:
        (command_id,) = park()
        act(CANCEL, [command_id])
        acted = act(Action(kind=OperationKind.RETRY, operator="bob"), [command_id])
        left = acted.left[command_id]
        assert (acted.done, left.status, left.operator, left.event_type) == (
            [], Status.CANCELED, "ada", EventType.OPERATOR_CANCEL,
        )  # fmt: skip
        assert left.at is not None

    def test_a_command_that_is_held_is_left_without_waiting(self, bus: HandBus, park: Park) -> None:
        held, free = park(2)
        with bus.connect() as other:
            other.execute("SELECT FROM commandbus.command WHERE command_id = %s FOR UPDATE", [held])
            acted = act(RETRY, [held, free])
        assert (acted.done, acted.left[held].held) == ([free], True)

    def test_one_whose_message_is_gone_is_left_and_told(self, bus: HandBus, park: Park) -> None:
        (command_id,) = park()
        bus.conn.execute("DELETE FROM pgmq.a_test__commands")
        left = act(RETRY, [command_id, missing := uuid4()]).left
        assert (left[command_id].lost, left[command_id].held, left[missing].status) == (True, False, None)

    def test_a_waiting_one_is_canceled_and_its_message_never_performed(self, bus: HandBus) -> None:
        waiting, running = bus.send(), bus.send()
        bus.receive(1, only=bus.command(running)["msg_id"])
        acted = act(CANCEL, [waiting, running], waiting=True)
        assert (acted.done, acted.left[running].status) == ([waiting], Status.IN_PROGRESS)
        assert bus.receive()["commands"] == {}
        assert bus.word(waiting) == "SX"
        assert bus.archived() == [bus.command(waiting)["msg_id"]]

    def test_a_batch_counts_what_operators_did(self, bus: HandBus, park: Park) -> None:
        ids = park(3)
        batch = uuid4()
        bus.conn.execute(
            "INSERT INTO commandbus.batch (domain, batch_id, total_count, in_troubleshooting_count)"
            " VALUES ('test', %s, 3, 3)",
            [batch],
        )
        bus.conn.execute("UPDATE commandbus.command SET batch_id = %s", [batch])
        act(RETRY, ids[:1])
        act(CANCEL, ids[1:2])
        act(COMPLETE, ids[2:])
        row = bus.rows("SELECT * FROM commandbus.batch")[0]
        counted = (row["completed_count"], row["canceled_count"], row["in_troubleshooting_count"])
        assert (counted, row["completed_at"]) == ((1, 1, 0), None)


class TestAnOperation:
    def test_it_meets_what_its_filter_meets_and_each_once(self, bus: HandBus, park: Park) -> None:
        wanted, others = park(7, code="NET"), park(3, code="DISK")
        assert count_parked(chosen(code="NET")) == 7
        operation_id = operate_on(chosen(code="NET"), RETRY)
        work_all(bus, 3)
        operation = Operation.objects.get(pk=operation_id)
        assert (operation.state, operation.wanted, operation.done, operation.skipped) == ("done", 7, 7, 0)
        assert {bus.word(i) for i in wanted} == {"SRTO"}
        assert {bus.word(i) for i in others} == {"SRT"}
        assert bus.events(wanted[0])[-1]["details_json"]["operation"] == operation_id

    @pytest.mark.parametrize(
        ("values", "count"),
        [
            ({"behavior": "fail_permanent"}, 2),
            ({"behavior": "success"}, 0),
            ({"error_type": "PERMANENT"}, 2),
            ({"error_type": "TRANSIENT"}, 0),
            ({"text": "WENT"}, 2),
            ({"text": "w_nt"}, 0),
            ({"code": ""}, 0),
            ({"since": LATER - timedelta(days=1)}, 0),
        ],
    )
    def test_its_count_and_its_work_agree(self, bus: HandBus, park: Park, values: Json, count: int) -> None:
        park(2)
        assert count_parked(chosen(**values)) == count
        operation_id = operate_on(chosen(**values), CANCEL)
        work_all(bus)
        assert Operation.objects.get(pk=operation_id).done == count

    def test_the_selected_ones_are_met_in_their_order(self, bus: HandBus, park: Park) -> None:
        ids = park(5)
        act(CANCEL, ids[1:2])
        operation_id = operate_on(chosen(ids=ids[:4]), COMPLETE)
        work_all(bus, 2)
        operation = Operation.objects.get(pk=operation_id)
        assert (operation.state, operation.done, operation.skipped) == ("done", 3, 1)
        assert bus.word(ids[4]) == "SRT"

    def test_what_is_parked_again_meanwhile_is_not_met_twice(self, bus: HandBus, park: Park) -> None:
        ids = park(4)
        now = bus.value("SELECT clock_timestamp()")
        operate_on(ParkedFilter(until=now), RETRY)
        work(bus, 2)
        for command_id, attempt in bus.receive()["commands"].items():
            bus.finish(outcome(command_id, attempt, "permanent"))
        work_all(bus, 2)
        assert sorted(bus.word(i) for i in ids) == ["SRTO", "SRTO", "SRTORT", "SRTORT"]

    def test_a_process_that_dies_in_a_chunk_leaves_it_to_the_next(self, bus: HandBus, park: Park) -> None:
        ids = park(6)
        operation_id = operate_on(chosen(), RETRY)
        work(bus, 2)
        with psycopg.connect(bus.url) as dying:
            dying.execute("SELECT commandbus.work_operation(2)")
            assert work(bus, 2)["operation"] is None  # another process leaves the row that is held, and comes again
            dying.close()
        wait_until(lambda: work(bus, 2)["operation"])  # the server takes a moment to notice
        work_all(bus, 2)
        operation = Operation.objects.get(pk=operation_id)
        assert (operation.done, operation.state) == (6, "done")
        assert {bus.word(i) for i in ids} == {"SRTO"}
        assert len(bus.queued()) == 6

    def test_it_ends_between_two_chunks_when_it_is_canceled(self, bus: HandBus, park: Park) -> None:
        park(5)
        operation_id = operate_on(chosen(), RETRY)
        work(bus, 2)
        assert cancel(operation_id, by="bob")
        assert not cancel(operation_id, by="eve")
        work_all(bus, 2)
        operation = Operation.objects.get(pk=operation_id)
        assert (operation.state, operation.done, operation.stopped_by) == ("canceled", 2, "bob")
        assert bus.value("SELECT count(*) FROM commandbus.parked") == 3

    def test_one_that_cannot_be_done_fails_and_says_why(self, bus: HandBus, park: Park) -> None:
        (command_id,) = park()
        operation_id = operate_on(chosen(), RETRY)
        bus.conn.execute("UPDATE public.e2e_operation SET spec = jsonb_set(spec, '{max_attempts}', '\"many\"')")
        work_all(bus)
        operation = Operation.objects.get(pk=operation_id)
        assert (operation.state, operation.done) == ("failed", 0)
        assert "many" in operation.said
        assert bus.word(command_id) == "SRT"

    def test_under_a_rate_the_next_chunk_waits_for_its_time(self, bus: HandBus, park: Park) -> None:
        park(8)
        operation_id = operate_on(chosen(), RETRY, rate=8)
        assert work(bus)["done"] == 2  # a quarter of a second's
        waits = work(bus)
        assert waits["operation"] is None
        assert 0 < waits["due_ms"] <= 250
        assert Operation.objects.get(pk=operation_id).state == "running"


class TestACanary:
    def end(self, bus: HandBus, kind: str) -> int:
        begun = bus.receive(1000)["commands"]
        bus.finish(*[outcome(i, attempt, kind) for i, attempt in begun.items()])
        bus.conn.execute("UPDATE public.e2e_operation SET next_at = clock_timestamp()")
        return len(begun)

    def test_one_then_ten_then_the_rest(self, bus: HandBus, park: Park) -> None:
        park(30)
        operation_id = operate_on(chosen(), RETRY, canary=10)
        sizes = []
        for _ in range(3):
            work_all(bus)
            sizes.append(self.end(bus, "success"))
        work_all(bus)
        assert sizes == [1, 10, 19]
        operation = Operation.objects.get(pk=operation_id)
        assert (operation.state, operation.done) == ("done", 30)

    def test_it_waits_for_the_end_of_the_first(self, bus: HandBus, park: Park) -> None:
        park(3)
        operate_on(chosen(), RETRY, canary=10)
        work_all(bus)
        bus.conn.execute("UPDATE public.e2e_operation SET next_at = clock_timestamp()")
        work_all(bus)
        assert len(bus.queued()) == 1

    def test_it_stops_where_too_many_fail_again(self, bus: HandBus, park: Park) -> None:
        park(30)
        operation_id = operate_on(chosen(), RETRY, canary=50)
        work_all(bus)
        self.end(bus, "success")
        work_all(bus)
        assert self.end(bus, "permanent") == 10
        work_all(bus)
        operation = Operation.objects.get(pk=operation_id)
        assert (operation.state, operation.done) == ("stopped", 11)
        assert operation.said == "10 of the 10 sent last failed again: more than 50 %."
        assert bus.value("SELECT count(*) FROM commandbus.parked") == 29

    def test_no_other_action_has_one(self) -> None:
        with pytest.raises(ValueError, match="only a retry"):
            operate_on(chosen(), CANCEL, canary=10)


def test_parked_tells_of_each_command_what_lists_need(bus: HandBus, park: Park) -> None:
    (command_id,) = park()
    row = bus.rows("SELECT * FROM commandbus.parked")[0]
    assert (row["command_id"], row["error_type"], row["error_code"], row["behavior"], row["attempts"]) == (
        command_id, "PERMANENT", "E", BehaviorType.FAIL_PERMANENT, 1,
    )  # fmt: skip
    assert row["msg_id"] == bus.command(command_id)["msg_id"]
