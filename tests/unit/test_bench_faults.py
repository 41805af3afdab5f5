"""Faults of a scenario: each kind has what injects it, and what is random in one follows from the seed."""

import json
from pathlib import Path
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from bench.faults import catalogue
from bench.faults.inject import INJECTORS, JUDGES, record_of
from bench.faults.odd import MODULE, WAYS
from bench.faults.points import poison_ids
from bench.scenarios.faults import CrashAt, Fault
from bench.scenarios.model import Scenario
from bench.scenarios.plan import Plan
from bench.scenarios.yaml_file import SHIPPED, SUFFIX, read_scenario
from bench.witness import Crash, Orders

KINDS = {kind.model_fields["do"].annotation.__args__[0] for kind in get_args(get_args(Fault)[0])}
SHIPPED_HERE = {
    "f01_kill": {"kill_worker"}, "f02_stop": {"stop_worker"}, "f03_freeze": {"freeze_worker"},
    "f05_crash_loop": {"crash_at"}, "f05_points": {"crash_at"}, "f06_malformed": {"malformed_messages"},
    "f07_unregistered": {"unregistered_type"}, "f08_connections": {"end_connections"}, "f13_held_row": {"hold_row"},
    "f14_snapshot": {"hold_snapshot"}, "f15_readers": {"readers"}, "f20_notifications": {"lose_notifications"},
    "unreadable": {"unreadable_data"}, "odd_text": {"odd_text"},
}  # fmt: skip


def plan(*faults: dict[str, Any], seed: int = 1, **more: Any) -> Plan:
    """A small scenario with these faults."""
    given = {"scenario": "tried", "about": "Tried.", "commands": 10, "mix": {"success": 1}, "faults": faults, **more}
    return Plan(Scenario.model_validate(given), seed)


def test_every_kind_has_what_injects_it_and_nothing_else_does() -> None:
    assert INJECTORS.keys() == KINDS
    assert JUDGES.keys() <= INJECTORS.keys()


@pytest.mark.parametrize("name", sorted(SHIPPED_HERE))
def test_each_has_a_shipped_scenario_of_its_own_that_proves_its_name(name: str) -> None:
    assert (SHIPPED / f"{name}{SUFFIX}").exists()
    scenario = read_scenario(name)
    assert scenario.scenario == name
    assert {fault.do for fault in scenario.faults} == SHIPPED_HERE[name]


def test_the_page_of_faults_has_a_row_for_each() -> None:
    page = (Path(__file__).parents[2] / "docs" / "bench-faults.md").read_text()
    assert {kind for kind in KINDS if f"\n| `{kind}`" not in page} == set()


def test_a_record_tells_the_number_of_its_fault_and_one_paragraph() -> None:
    (fault,) = plan({"do": "crash_at", "poison": 1}).scenario.faults
    record = record_of(fault, 2.5)
    assert (record.id, record.planned_s, record.fired) == ("F5", 2.5, None)
    assert record.text.startswith("at a program point")
    assert "received" not in record.text


def orders(of: Plan, folder: Path) -> list[Crash]:
    """As a witness reads them from its environment."""
    told = Orders(folder=str(folder), worker="w1.1", crashes=tuple(catalogue.crash_orders(of, folder)))
    read = json.loads(json.dumps(vars(told)))["crashes"]
    return [Crash(**{**crash, "ids": tuple(crash["ids"])}) for crash in read]


def test_poison_commands_follow_from_the_seed_and_end_their_process_at_every_attempt(tmp_path: Path) -> None:
    faults = {"do": "crash_at", "poison": 2}, {"do": "kill_worker"}, {"do": "crash_at", "poison": 2}
    ids = [poison_ids(plan(*faults), number) for number in range(3)]
    assert [len(found) for found in ids] == [2, 0, 2]
    assert len({*ids[0], *ids[2]}) == 4
    assert ids == [poison_ids(plan(*faults), number) for number in range(3)]
    assert ids[0] != poison_ids(plan(*faults, seed=2), 0)
    first, second = orders(plan(*faults), tmp_path)
    assert first.armed != second.armed
    assert not first.hits("received", ids[0][0], 1), "It is not armed"
    Path(first.armed).touch()
    assert all(first.hits("received", one, attempt) for one in ids[0] for attempt in (1, 2, 3))
    assert not any(first.hits("received", one, 1) for one in (*ids[2], uuid4()))
    assert not first.hits("handled", ids[0][0], 1)
    assert not second.hits("received", ids[2][0], 1), "Each is armed for itself"


def test_a_share_of_attempts_is_hit_each_by_a_hash_of_its_own(tmp_path: Path) -> None:
    (crash,) = orders(plan({"do": "crash_at", "share": 0.2, "point": "handled"}, seed=7), tmp_path)
    (other,) = orders(plan({"do": "crash_at", "share": 0.2, "point": "handled"}, seed=8), tmp_path)
    Path(crash.armed).touch()
    attempts = [(UUID(int=number), attempt) for number in range(1000) for attempt in (1, 2)]
    hits = {one for one in attempts if crash.hits("handled", *one)}
    assert 300 < len(hits) < 500
    assert {command_id for command_id, attempt in hits if attempt == 1} != {
        command_id for command_id, attempt in hits if attempt == 2
    }
    assert hits != {one for one in attempts if other.hits("handled", *one)}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "crash_at needs a share above 0, or poison"),
        ({"poison": 1, "point": "finishing"}, "poison at finishing would end"),
        ({"share": 1.5}, "less than or equal to 1"),
    ],
)
def test_a_crash_that_would_hit_nothing_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        CrashAt.model_validate({"do": "crash_at", **given})


def test_workers_get_the_handlers_that_a_fault_needs_and_keep_their_own() -> None:
    with_fault, without = plan({"do": "odd_text"}), plan({"do": "kill_worker"})
    (workers,) = with_fault.scenario.workers
    assert catalogue.with_handlers(with_fault, workers).handlers == MODULE
    assert catalogue.with_handlers(without, workers).handlers == ""
    own = workers.model_copy(update={"handlers": "shop.handlers"})
    assert catalogue.with_handlers(with_fault, own).handlers == "shop.handlers"
    assert {kind.value for kind, _ in WAYS.values()} == {
        "success", "fail_permanent", "fail_transient", "business_rule"
    }  # fmt: skip
