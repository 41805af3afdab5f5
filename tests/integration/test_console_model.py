"""Send, work, operate and prune in any order: what the database says afterwards is what a small model says."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from commands.bus.operations import ParkedFilter, cancel, operate_on
from commands.bus.operators import Action, act
from commands.rules.behaviors import Behavior
from commands.rules.words import OperationKind, Status
from tests.support import databases
from tests.support.bus import HandBus, outcome

pytestmark = pytest.mark.django_db(transaction=True)

LATER = datetime(2100, 1, 1, tzinfo=UTC)
SUCCESS = Behavior.from_json({"type": "success"})
ENDS = {"success": Status.COMPLETED, "permanent": Status.IN_TROUBLESHOOTING_QUEUE, "business_rule": Status.FAILED}
KINDS = st.sampled_from([OperationKind.RETRY, OperationKind.CANCEL, OperationKind.COMPLETE])
AFTER = {
    OperationKind.RETRY: Status.PENDING,
    OperationKind.CANCEL: Status.CANCELED,
    OperationKind.COMPLETE: Status.COMPLETED,
}
PRUNE = "SELECT commandbus.prune_commands('test', now() + interval '1 day', '(0,0)', 1000, FALSE)"


@dataclass
class Known:
    """What the model knows of a command."""

    status: Status
    word: str
    payload: dict[str, int]
    attempt: Any = None
    code: str = ""


class Console(RuleBasedStateMachine):
    bus: HandBus
    commands = Bundle("commands")

    @initialize()
    def begin(self) -> None:
        databases.clean(self.bus.url)
        self.known: dict[UUID, Known] = {}

    @rule(target=commands, number=st.integers(0, 9))
    def send(self, number: int) -> UUID:
        command_id = self.bus.send()
        self.known[command_id] = Known(Status.PENDING, "S", {})
        return command_id

    @rule(limit=st.integers(1, 4))
    def receive(self, limit: int) -> None:
        for command_id, attempt in self.bus.receive(limit)["commands"].items():
            known = self.known[command_id]
            assert known.status == Status.PENDING
            known.status, known.attempt, known.word = Status.IN_PROGRESS, attempt, known.word + "R"

    @rule(command_id=commands, end=st.sampled_from(sorted(ENDS)), code=st.sampled_from(["A", "B"]))
    def finish(self, command_id: UUID, end: str, code: str) -> None:
        known = self.known.get(command_id)
        if known is None or known.status != Status.IN_PROGRESS:
            return
        self.bus.finish(outcome(command_id, known.attempt, end, error_code=code))
        known.status, known.code = ENDS[end], code
        known.word += {"success": "C", "permanent": "T", "business_rule": "B"}[end]

    @rule(command_id=commands, kind=KINDS, changed=st.booleans())
    def operate(self, command_id: UUID, kind: OperationKind, changed: bool) -> None:
        change: dict[str, Any] = {"payload": {"n": 1}, "behavior": SUCCESS} if changed and kind == "retry" else {}
        acted = act(Action(kind=kind, operator="ada", reason="why", **change), [command_id])
        known = self.known.get(command_id)
        if known is None or known.status != Status.IN_TROUBLESHOOTING_QUEUE:
            assert acted.done == []
            assert acted.left[command_id].status == (known.status if known else None)
            return
        assert acted.done == [command_id]
        self._changed(known, kind, change.get("payload"))

    @rule(command_id=commands)
    def cancel_waiting(self, command_id: UUID) -> None:
        acted = act(Action(kind=OperationKind.CANCEL, operator="ada", reason="why"), [command_id], waiting=True)
        known = self.known.get(command_id)
        if known is None or known.status != Status.PENDING:
            assert acted.done == []
            return
        known.status, known.word = Status.CANCELED, known.word + "X"

    @rule(kind=KINDS, code=st.sampled_from(["A", "B", None]), limit=st.integers(1, 3), chunks=st.integers(1, 3))
    def operate_on_many(self, kind: OperationKind, code: str | None, limit: int, chunks: int) -> None:
        parked = self.bus.rows("SELECT command_id FROM commandbus.parked ORDER BY parked_at, command_id")
        meant = [row["command_id"] for row in parked if code in (None, self.known[row["command_id"]].code)]
        chosen = ParkedFilter(until=LATER, code=code)
        operation = operate_on(chosen, Action(kind=kind, operator="ada", reason="why"))
        for _ in range(chunks):
            self.bus.value("SELECT commandbus.work_operation(%s)", [limit])
        cancel(operation, by="ada")
        for command_id in meant[: limit * chunks]:
            self._changed(self.known[command_id], kind, None)

    @rule(command_id=consumes(commands))
    def prune(self, command_id: UUID) -> None:
        self.bus.value(PRUNE)
        queued = {
            row["id"] for row in self.bus.rows("SELECT message ->> 'command_id' AS id FROM pgmq.q_test__commands")
        }
        final = (Status.COMPLETED, Status.FAILED, Status.CANCELED)
        self.known = {
            key: known for key, known in self.known.items() if known.status not in final or str(key) in queued
        }

    def _changed(self, known: Known, kind: OperationKind, payload: dict[str, int] | None) -> None:
        known.status = AFTER[kind]
        known.word += {"retry": "O", "cancel": "X", "complete": "K"}[kind]
        if payload is not None:
            known.payload = payload

    @invariant()
    def agrees(self) -> None:
        rows = self.bus.rows(
            """
            SELECT c.command_id, c.status, t.payload, p.command_id IS NOT NULL AS parked,
                   (SELECT array_agg(q.message -> 'data') FROM pgmq.q_test__commands q
                    WHERE q.message ->> 'command_id' = c.command_id::text AND q.msg_id = c.msg_id) AS messages,
                   (SELECT count(*) FROM pgmq.q_test__commands q
                    WHERE q.message ->> 'command_id' = c.command_id::text) AS queued
            FROM commandbus.command c JOIN public.test_command t USING (command_id)
            LEFT JOIN commandbus.parked p USING (command_id)
            """
        )
        assert {row["command_id"]: row["status"] for row in rows} == {
            key: known.status for key, known in self.known.items()
        }
        for row in rows:
            known = self.known[row["command_id"]]
            assert row["payload"] == known.payload
            assert row["parked"] == (known.status == Status.IN_TROUBLESHOOTING_QUEUE)
            assert self.bus.word(row["command_id"]) == known.word
            if not known.status.is_final:
                assert row["messages"] == [known.payload]
            assert row["queued"] <= 1


@pytest.fixture
def machine(bus: HandBus) -> type[Console]:
    Console.bus = bus
    return Console


def test_any_order_of_sending_working_operating_and_pruning(machine: type[Console]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
