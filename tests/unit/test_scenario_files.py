"""bench/scenarios: reading files strictly, writing them, the builder, and the schema for editors."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.scenarios.builder import part, scenario
from bench.scenarios.faults import FreezeWorker, KillWorker
from bench.scenarios.model import MODULE, Bus, Expect, Oracle, Part, Phase, Rolls, RunVerdict, Scenario, Workers
from bench.scenarios.schema import schema
from bench.scenarios.units import Duration
from bench.scenarios.wording import KINDS
from bench.scenarios.yaml_file import (
    MOST_BYTES,
    SCHEMA,
    SHIPPED,
    SUFFIX,
    ScenarioError,
    parse_scenario,
    read_scenario,
    scenario_from,
    shipped,
    to_json,
    to_yaml,
)
from commands.rules.behaviors import BehaviorType
from commands.rules.words import Engine
from e2e_site.options import Exit
from tests.support.clusters import CHECKOUT

BOTH = "a scenario has either load or commands, and at least one command"
UNWATCHED = "cannot be watched in a release: leave one of both out"
DURATION = "a duration is written 500ms, 3s, 2m, or 1.5L (leases), up to a day"
IGNORED = "does not apply to success; it is of fail_transient_then_succeed"
UNTYPED = "is for a command of one's own: name its type with command"
PARTS = "there is command, data, failures, sleep, weight"
SMALL = "scenario: x\nabout: It is small.\ncommands: 1\nmix: {success: 1}\n"


def problems(text: str | bytes) -> list[tuple[int | None, str, str]]:
    with pytest.raises(ScenarioError) as refused:
        parse_scenario(text, "x.bench.yaml")
    assert refused.value.exit_code == Exit.REFUSED
    return [(told.line, told.path, told.text) for told in refused.value.problems]


def test_a_small_one_is_read() -> None:
    read = parse_scenario(SMALL)
    assert (read.scenario, read.commands, read.mix) == ("x", 1, {BehaviorType.SUCCESS: Part(weight=1)})


def test_every_problem_is_told_at_once_with_line_path_and_valid_names() -> None:
    text = """\
scenario: Bad Name
about: It is wrong.
bus: {lease: 3, poll_interval: "1", heartbeat: yes}
workers: [{engine: turbo, count: 17}]
load:
  - {phase: steady, for: 3 hours, rate: -1}
mix:
  sucess: 1
  fail_transient: {weight: 0, sleep: 1 L}
faults:
  - {do: kill_wrker}
  - {at: steady}
  - {do: freeze_worker, lasts: 3s}
expect: {known: [D15], sometimes: [always]}
"""
    with pytest.raises(ScenarioError) as refused:
        parse_scenario(text, "bad.bench.yaml")
    assert str(refused.value).splitlines() == [
        "bad.bench.yaml has 15 problems:",
        *(f"bad.bench.yaml:{line}: {told}" for line, told in [
            (1, "scenario: must look like ^[a-z][a-z0-9_]{0,59}$, not 'Bad Name'"),
            (3, "bus.heartbeat: yes is true in some YAML and a text in other: write true, or quote it"),
            (3, ("bus.lease: is no key here; there is backoff_multiplier, base_delay_ms, heartbeat, max_attempts, "
                 "max_delay_ms, poll_interval, visibility_timeout")),
            (3, "bus.poll_interval: must be a number, not '1'"),
            (4, "workers[0].count: must be at most 16, not 17"),
            (4, "workers[0].engine: must be 'native' or 'library', not 'turbo'"),
            (6, "load[0].for: a duration is written 500ms, 3s, 2m, or 1.5L (leases), up to a day, not '3 hours'"),
            (6, "load[0].rate: must be at least 0, not -1"),
            (8, ("mix.sucess: is no behavior; there is business_rule, fail_permanent, fail_transient, "
                 "fail_transient_then_succeed, success, timeout; is success meant?")),
            (9, "mix.fail_transient.weight: must be more than 0, not 0"),
            (11, f"faults[0].do: 'kill_wrker' is no fault; there is {', '.join(sorted(KINDS))}; is kill_worker meant?"),
            (12, f"faults[1].do: is missing, the kind of fault; there is {', '.join(sorted(KINDS))}"),
            (13, "faults[2].lasts: is no key here; there is at, do, for, in_flight, which"),
            (14, "expect.known[0]: must look like ^D([1-9]|1[0-4])$, not 'D15'"),
            (14, ("expect.sometimes[0]: must be 'redelivered', 'every_behavior', 'two_workers' or 'fault_fired', "
                  "not 'always'")),
        ]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("load: [{phase: a, for: 1s, rate: 1}]", (1, "", BOTH)),
        ("rolls: {permanent: 2}", (5, "rolls.permanent", "must be at most 1, not 2")),
        ("expect: {during: calm}", (5, "expect.during", "names no phase; there is no phase")),
        ("faults: [{do: kill_worker, at: x+1s}]", (5, "faults[0].at", "'x+1s' names no phase; there is no phase")),
        ("faults: [{do: restart_server}]", (5, "faults[0]", "restart_server needs place: cluster")),
        ("faults: [{do: network, how: reset}]", (5, "faults[0]", "network needs workers with through: proxy")),
        ("bus: {base_delay_ms: 9, max_delay_ms: 8}", (5, "bus.max_delay_ms", "must not be below base_delay_ms, 9")),
        ("place: site", (1, "workers[0].count", "place: site starts no workers: give count: 0")),
        ("workers: [{release: 1.0}]", (5, "workers[0].release", "must be a text, not 1.0")),
        ("workers: [{release: 0.1.0, handlers: a.b}]", (5, "workers[0].handlers", UNWATCHED)),
        ("workers: [{handlers: a-b}]", (5, "workers[0].handlers", f"must look like {MODULE}, not 'a-b'")),
        ("drains_within: 5", (5, "drains_within", f"{DURATION}, not 5")),
        ("seed: 1.5", (5, "seed", "must be a whole number, not 1.5")),
        ("replies: true", (5, "replies", "must be a number, not true")),
        ("faults: {do: kill_worker}", (5, "faults", "must be a list, not a mapping")),
        ("expect: [1]", (5, "expect", "must be a mapping, not a list")),
        ("expect: {verdict: GREEN}", (5, "expect.verdict", "must be 'PASS', 'FAIL' or 'UNKNOWN', not 'GREEN'")),
    ],
)  # fmt: skip
def test_a_problem_is_told(more: str, told: tuple[int, str, str]) -> None:
    assert problems(f"{SMALL}{more}\n") == [told]


@pytest.mark.parametrize(
    ("mix", "told"),
    [
        ("{success: {weight: 1, failures: 2}}", ("mix.success.failures", IGNORED)),
        ("{success: {weight: 1, sleep: 61m}}", ("mix.success.sleep", "is 61m; an attempt works an hour at most")),
        ("{success: {weight: 1, command: Greet}}", ("workers[0]", "need handlers, a module that registers Greet")),
        ("{success: {weight: 1, data: {a: 1}}}", ("mix.success.data", UNTYPED)),
        ("{success: {weight: 1, wait: 1s}}", ("mix.success.wait", f"is no key here; {PARTS}; is weight meant?")),
        ("{success: {sleep: 1s}}", ("mix.success.weight", "is missing")),
        ("{}", ("mix", "must have at least 1")),
    ],
)  # fmt: skip
def test_a_problem_of_the_mix_is_told(mix: str, told: tuple[str, str]) -> None:
    text = f"scenario: x\nabout: y\ncommands: 1\nmix: {mix}\n"
    assert [found[1:] for found in problems(text)] == [told]


def test_what_no_single_field_can_tell_is_told_beside_what_one_can() -> None:
    faults = "faults:\n  - {do: kill_worker, at: later+1s}\n  - {do: kill_worker, times: 99}\n"
    text = f"{SMALL}{faults}expect: {{lots: 1, during: x}}\n"
    assert [found[:2] for found in problems(text)] == [
        (6, "faults[0].at"), (7, "faults[1].times"), (8, "expect.during"), (8, "expect.lots"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"scenario: x\nabout: \xff", (2, "", "is not UTF-8")),
        (b"a" * (MOST_BYTES + 1), (1, "", "is larger than 64 KiB")),
        ("[1, 2]", (1, "", None)),
        ("", (1, "", "there is nothing in it")),
    ],
)
def test_what_is_no_scenario_at_all_is_told(content: bytes | str, told: tuple[int, str, str | None]) -> None:
    ((line, path, text),) = problems(content)
    assert (line, path) == told[:2]
    assert text == told[2] or (told[2] is None and text.startswith("a scenario is a mapping; there is about, bus,"))


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_scenario(b"\xef\xbb\xbf" + SMALL.encode()) == parse_scenario(SMALL)


def test_a_name_that_there_is_not_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    for name, said in (
        ("smoek", "is no file and no shipped scenario; there is "), (str(tmp_path), "cannot be read: Is a directory"),
        (str(tmp_path / "a.yaml"), "cannot be read: No such file or directory"), ("a\0b", "is no file"),
    ):  # fmt: skip
        with pytest.raises(ScenarioError, match=said):
            read_scenario(name)
    with pytest.raises(ScenarioError, match="is smoke meant"):
        read_scenario("smoek")


# -- writing ----------------------------------------------------------------------------------------------------------

durations = st.builds(
    Duration, st.floats(0, 60, allow_nan=False) | st.integers(0, 60).map(float), st.sampled_from(["ms", "s", "m", "L"])
)
names = st.text("abcxyz_019", min_size=1, max_size=8).map(lambda text: f"n{text}")
storable = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
sentences = st.text(st.characters(categories=["L", "N", "P", "S"]) | st.just(" "), max_size=40).map(
    lambda text: " ".join(f"x{text}".split())
)
shares = st.floats(0, 1, allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(storable, max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(storable, max_size=8), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def of_its_own(kind: BehaviorType, failures: int, data: Any) -> dict[str, Any]:
    counted = {"failures": failures} if kind is BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED else {}
    return {**counted, **({} if data is None else {"command": "Greet", "data": {"it": data}})}


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    types = draw(st.lists(st.sampled_from(BehaviorType), min_size=1, max_size=6, unique=True))
    own = draw(st.booleans())
    mix = {
        kind: Part(
            weight=draw(st.floats(0.001, 1000)), sleep=draw(durations.filter(lambda d: d.seconds(600) <= 3600)),
            **of_its_own(kind, draw(st.integers(1, 100)), draw(json_values) if own else None),
        )
        for kind in types
    }  # fmt: skip
    phases = [
        Phase(phase=name, lasts=Duration(float(draw(st.integers(1, 60)))), rate=draw(st.floats(1, 1000)))
        for name in draw(st.lists(names, max_size=3, unique=True))
    ]
    at = draw(st.sampled_from([f"{phase.phase}+1s" for phase in phases] + ["0s", "2m", "1.5L"]))
    faults = draw(
        st.lists(
            st.builds(KillWorker, at=st.just(at), in_flight=st.integers(0, 1000), restart=durations)
            | st.builds(FreezeWorker, at=st.just(at), lasts=durations),
            max_size=3,
        )
    )
    base = draw(st.integers(0, 3_600_000))
    return Scenario(
        scenario=draw(names),
        about=draw(sentences),
        seed=draw(st.integers(0, 2**63 - 1)),
        bus=Bus(
            visibility_timeout=draw(st.integers(1, 600)), base_delay_ms=base, max_delay_ms=base,
            poll_interval=draw(st.floats(0.05, 60)), heartbeat=draw(st.booleans()),
        ),
        workers=(Workers(
            count=draw(st.integers(0, 16)), engine=draw(st.sampled_from(Engine)),
            handlers="shop.on.off" if own else draw(st.sampled_from(["", "yes", "_a.b1"])),
        ),),
        commands=0 if phases else draw(st.integers(1, 1_000_000)),
        load=tuple(phases),
        mix=mix,
        rolls=None if own else draw(st.none() | st.builds(Rolls, permanent=shares, sleep=durations)),
        replies=draw(shares),
        faults=tuple(faults),
        expect=Expect(
            verdict=draw(st.sampled_from(RunVerdict)), oracle=draw(st.sampled_from(Oracle)), known=("D1", "D14"),
            p99=draw(st.none() | durations), during=draw(st.sampled_from([phase.phase for phase in phases] or [""])),
        ),
        drains_within=draw(durations),
        long=draw(st.booleans()),
    )  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(scenarios())
def test_what_is_written_is_read_as_the_same(made: Scenario) -> None:
    assert parse_scenario(to_yaml(made)) == made
    assert scenario_from(json.loads(json.dumps(to_json(made)))) == made


# -- the builder ------------------------------------------------------------------------------------------------------


KILL = """\
scenario: killed
about: A worker is killed, and every command still comes to its end.
bus: {visibility_timeout: 3, max_attempts: 5, base_delay_ms: 100, max_delay_ms: 400, backoff_multiplier: 2,
  poll_interval: 1}
workers: [{count: 2, concurrency: 20}, {engine: library}]
load: [{phase: steady, for: 6s, rate: 200}]
mix: {success: {weight: 80, sleep: 100ms}, fail_transient_then_succeed: {weight: 20, failures: 1}}
faults: [{do: kill_worker, at: steady+2s, in_flight: 5, times: 2, restart: 500ms}, {do: freeze_worker, for: 1.5L}]
rolls: {transient: 0.5, sleep: 1s}
replies: 0.5
expect: {verdict: FAIL, p99: 1s, during: steady, sometimes: [redelivered, fault_fired], known: [D3]}
drains_within: 30s
long: true
"""


def test_a_builder_builds_what_a_file_says() -> None:
    built = (
        scenario("killed", about="A worker is killed, and every command still comes to its end.")
        .bus(lease=3, max_attempts=5, base_delay_ms=100, max_delay_ms=400, backoff_multiplier=2, poll_interval=1)
        .workers(2, concurrency=20)
        .workers(engine="library")
        .steady("6s", rate=200)
        .mix(success=part(80, sleep="100ms"), fail_transient_then_succeed=part(20, failures=1))
        .fault(KillWorker(at="steady+2s", in_flight=5, times=2, restart=Duration.parse("500ms")))
        .fault(FreezeWorker(lasts=Duration(1.5, "L")))
        .rolls(transient=0.5, sleep="1s")
        .replies(0.5)
        .expect("FAIL", p99="1s", during="steady", sometimes=["redelivered", "fault_fired"])
        .expect(known=["D3"])
        .drains_within("30s")
        .long()
        .build()
    )
    assert built == parse_scenario(KILL)


def test_a_builder_is_the_beginning_of_several() -> None:
    common = scenario("x", about="It is small.").mix(success=1).bus(lease=3)
    one, other = common.commands(5).bus(max_attempts=2), common.steady("2s", rate=5).phase("more", "1L", rate=1)
    assert (one.build().commands, one.build().bus.visibility_timeout, one.build().bus.max_attempts) == (5, 3, 2)
    assert [phase.phase for phase in other.build().load] == ["steady", "more"]
    assert other.handlers("shop.handlers").build().workers == (Workers(handlers="shop.handlers"),)
    assert common.said.keys() == {"scenario", "about", "seed", "place", "mix", "bus"}


def test_a_builder_tells_every_problem() -> None:
    with pytest.raises(ScenarioError) as refused:
        scenario("x", about="y").mix(success=part(1, sleep="soon")).bus(lease=0).build()
    assert str(refused.value).splitlines() == [
        "scenario x has 2 problems:",
        "scenario x: bus.visibility_timeout: must be at least 1, not 0",
        "scenario x: mix.success.sleep: a duration is written 500ms, 3s, 2m, or 1.5L (leases), up to a day, not 'soon'",
    ]


# -- for editors ------------------------------------------------------------------------------------------------------


def test_the_published_schema_is_that_of_the_model() -> None:
    published = json.loads((CHECKOUT / "docs" / SCHEMA).read_text("utf-8"))
    assert published == schema(), "manage.py bench schema > docs/scenario.schema.json"


@pytest.mark.parametrize("name", shipped())
def test_an_editor_finds_the_schema_and_nothing_wrong_in_a_shipped_file(name: str) -> None:
    path = SHIPPED / f"{name}{SUFFIX}"
    first, *_ = path.read_text("utf-8").splitlines()
    assert first == f"# yaml-language-server: $schema=../../../docs/{SCHEMA}"
    assert (path.parent / "../../../docs" / SCHEMA).resolve() == CHECKOUT / "docs" / SCHEMA
    jsonschema_rs.validate(schema(), yaml.safe_load(path.read_text("utf-8")))


@pytest.mark.parametrize(
    "spoilt",
    [{"mix": {"sucess": 1}}, {"faults": [{"at": "1s"}]}, {"rate": 1}, {"drains_within": "soon"}, {"seed": "1"}],
)
def test_an_editor_finds_what_is_wrong(spoilt: dict[str, Any]) -> None:
    value = {**yaml.safe_load(SMALL), **spoilt}
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema(), value)
    with pytest.raises(ScenarioError):
        parse_scenario(json.dumps(value))
