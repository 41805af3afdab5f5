"""bench/scenarios/faults.py: what faults of network and server need of a scenario, and what they allow."""

from typing import Any

import pytest
from pydantic import ValidationError

from bench.faults import catalogue
from bench.faults.inject import INJECTORS, JUDGES, record_of
from bench.scenarios.faults import FillConnections, FreezeServer, FullDisk, Network, ReadOnly, RestartServer
from bench.scenarios.model import Scenario
from bench.scenarios.yaml_file import read_scenario

SHIPPED = [
    "f09_restart", "f10_read_only", "f11_blackhole", "f11_delay", "f11_lost_answers", "f11_reset", "f12_connections",
    "f16_duplicate_sends", "f17_duplicate_messages", "f18_operators", "f19_clock", "f21_bad_settings", "f23_neighbor",
    "f24_full_disk", "frozen_server",
]  # fmt: skip


def scenario(fault: dict[str, Any], **more: Any) -> Scenario:
    given = {"scenario": "one", "about": "A fault.", "commands": 1, "mix": {"success": 1}, "faults": [fault], **more}
    return Scenario.model_validate(given)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_scenario_is_read_and_its_faults_are_injected(name: str) -> None:
    assert catalogue.__all__
    read = read_scenario(name)
    assert read.scenario == name
    assert read.long is (name == "f24_full_disk")
    for fault in read.faults:
        assert fault.do in INJECTORS
        record = record_of(fault, 0)
        assert record.text
        assert record.id in ({fault.do} if name == "frozen_server" else {f"F{int(name[1:3])}"})


def test_a_network_needs_workers_behind_it_unless_it_is_the_senders_alone() -> None:
    fault = {"do": "network", "how": "reset"}
    with pytest.raises(ValidationError, match="network needs workers with through: proxy"):
        scenario(fault)
    assert not scenario(fault, workers=[{"through": "proxy"}]).faults[0].needs_sender_proxy
    assert scenario({**fault, "whose": "sender"}).faults[0].needs_sender_proxy
    assert scenario({**fault, "whose": "both"}, workers=[{"through": "proxy"}]).faults[0].needs_sender_proxy


@pytest.mark.parametrize("kind", [RestartServer, ReadOnly, FillConnections, FreezeServer, FullDisk])
def test_a_fault_of_the_server_needs_one_of_its_own_and_allows_further_attempts(kind: Any) -> None:
    word = kind.model_fields["do"].annotation.__args__[0]
    with pytest.raises(ValidationError, match=f"{word} needs place: cluster"):
        scenario({"do": word})
    (fault,) = scenario({"do": word}, place="cluster").faults
    assert (fault.may_lose_attempts, fault.may_overrun, fault.needs_small_disk) == (True, True, kind is FullDisk)
    assert word in JUDGES


@pytest.mark.parametrize(
    ("how", "more", "allowed"),
    [
        ("delay", {"delay": "20ms"}, (False, False)),
        ("delay", {"delay": "500ms"}, (True, True)),
        ("delay", {"delay": "1L"}, (True, True)),
        ("reset", {}, (True, True)),
        ("reset", {"whose": "both"}, (True, True)),
        ("reset", {"whose": "sender"}, (False, False)),
        ("blackhole", {}, (True, True)),
        ("lose_answers", {"of": "receive"}, (True, False)),
        ("lose_answers", {"of": "finish"}, (False, True)),
        ("lose_answers", {"whose": "sender"}, (False, False)),
    ],
)
def test_a_network_allows_what_it_does_to_workers(how: str, more: dict[str, str], allowed: tuple[bool, bool]) -> None:
    fault = Network.model_validate({"do": "network", "how": how, **more})
    assert (fault.may_lose_attempts, fault.may_overrun) == allowed


@pytest.mark.parametrize("word", ["duplicate_sends", "duplicate_messages", "operators", "sender_clock", "bad_settings"])
def test_senders_and_operators_allow_nothing_more(word: str) -> None:
    (fault,) = scenario({"do": word}).faults
    assert (fault.may_lose_attempts, fault.may_overrun, fault.needs_cluster) == (False, False, False)
