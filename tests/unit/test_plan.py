"""bench/scenarios/plan.py: what a run sends follows from the scenario and the seed."""

from collections import Counter

import pytest

from bench.scenarios.builder import Builder, part, scenario
from bench.scenarios.plan import Plan
from commands.rules.behaviors import BehaviorType

SMALL = scenario("x", about="It is small.").bus(lease=2)
LOAD = SMALL.phase("calm", "2s", rate=10).phase("more", "1L", rate=50)


def test_the_same_seed_gives_the_same_commands_and_another_gives_others() -> None:
    made = LOAD.mix(success=70, fail_permanent=30).replies(0.5).build()
    one, same, other = (list(Plan(made, seed).commands()) for seed in (7, 7, 8))
    assert one == same
    assert len({command.command_id for command in (*one, *other)}) == 240
    assert [command.kind for command in one] != [command.kind for command in other]


def test_weights_and_the_share_of_replies_are_kept() -> None:
    plan = Plan(SMALL.commands(20_000).mix(success=70, fail_permanent=30).replies(0.25).build(), 1)
    kinds = Counter((command.behavior.type, command.reply) for command in plan.commands())
    assert kinds[BehaviorType.FAIL_PERMANENT, True] == pytest.approx(20_000 * 0.3 * 0.25, rel=0.1)
    assert kinds[BehaviorType.SUCCESS, False] == pytest.approx(20_000 * 0.7 * 0.75, rel=0.1)
    assert {command.kind for command in plan.commands()} <= plan.kinds.keys()


def test_each_is_due_in_its_phase() -> None:
    plan = Plan(LOAD.mix(success=1).build(), 1)
    assert plan.count == 120
    assert [plan.due_s(number) for number in (0, 1, 19, 20, 21, 119)] == pytest.approx([0, 0.1, 1.9, 2, 2.02, 3.98])
    assert plan.phases == [("calm", 0, 2), ("more", 2, 4)]


def test_a_command_of_ones_own_carries_its_type_and_data() -> None:
    own = SMALL.commands(5).workers(handlers="a.b").mix(success=part(1, command="Greet", data={"name": "Ada"}))
    planned = Plan(own.build(), 1).command(0)
    assert (planned.command_type, planned.data, planned.behavior.type) == ("Greet", {"name": "Ada"}, "success")


@pytest.mark.parametrize(
    ("asked", "overruns"),
    [
        (SMALL.mix(success=part(1, sleep="1500ms")), False),
        (SMALL.mix(success=1, timeout=part(1, sleep="0.8L")), True),
        (SMALL.mix(success=part(1, sleep="2L")).bus(heartbeat=True), False),
        (SMALL.mix(timeout=part(1, sleep="2L")).bus(heartbeat=True), True),
        (SMALL.mix(success=1).rolls(timeout=0.1), True),
        (SMALL.mix(success=1).rolls(timeout=0.1, sleep="200ms"), False),
        (SMALL.mix(success=1).rolls(transient=0.1), False),
    ],
)
def test_it_knows_whether_work_may_outlive_its_lease(asked: Builder, overruns: bool) -> None:
    assert Plan(asked.commands(1).build(), 1).overruns is overruns
