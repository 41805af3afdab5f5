"""bench/scenarios/strict_yaml.py: YAML without its surprises."""

from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.scenarios.strict_yaml import DEEPEST, read, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("null", None), ("0", 0), ("-7", -7), ("2.50", 2.5), ("1.0e-07", 1e-07),
     ("500ms", "500ms"), ("0.1.0", "0.1.0"), ("steady+4s", "steady+4s"), ("1.5L", "1.5L"), ("y", "y"), ("nob", "nob")],
)  # fmt: skip
def test_what_is_clear_is_taken(text: str, value: Any) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    ["yes", "No", "ON", "off", "True", "FALSE", "", "~", "Null", "010", "0x1F", "0o17", "0b1", "1_000", "1:30",
     "190:20:30", "2026-01-02", "2026-1-2 03:04:05", ".inf", "-.NaN", ".5", "5.", "1e", "9" * 30, "1e999"],
)  # fmt: skip
def test_a_surprise_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|leave|quote|cannot|can have"):
        scalar(text)
    found = read(f"a: 1\nb: {text}\n")
    assert [(fault.line, fault.path) for fault in found.faults] == [(2, ("b",))]
    assert read(f'b: "{text}"').value == {"b": text}


@given(st.text(max_size=30))
def test_what_is_taken_as_a_text_is_a_text_to_pyyaml_too(text: str) -> None:
    assume(text.split() == [text])  # YAML takes white space and line ends away before anything is asked
    try:
        value = scalar(text)
    except ValueError:
        return
    if isinstance(value, str):
        try:
            other = yaml.safe_load(f"[{text}]")
        except (yaml.YAMLError, ValueError):
            return
        assert other == [text] or not isinstance(other[0] if other else "", (bool, int, float))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3", 3, "is there twice, in lines 1 and 3"),
        ("a: &x 1\nb: 2", 1, "&x is an anchor"),
        ("a: 1\nb: *x", 2, "*x is an alias"),
        ("a: 1\nb: !!str 2", 2, "the tag tag:yaml.org,2002:str is not taken"),
        ("a: !!python/object/apply:os.system [ls]", 1, "the tag"),
        ("a: 1\n---\nb: 2", 2, "a second document begins"),
        ("a: 1\n<<: {b: 1}", 2, "<< merges"),
        ("a: 1\n? [x]\n: 2", 2, "a key has to be a plain text"),
        ("a: 1\nb: [1, 2", 2, "this is no YAML"),
        ("a: 1\n\tb: 2", 2, "this is no YAML"),
        ("a: 1\nb: \0", 2, "the character U+0000"),
        ('a: 1\nb: "\\0"', 2, "NUL"),
        ('a: 1\nb: "\\ud800"', 2, "half a surrogate"),
        ("", 1, "nothing in it"),
        ("# a: 1", 1, "nothing in it"),
        (f"a: {'[' * 10_000}", 1, f"nested more than {DEEPEST} deep"),
        (f"a: {'{b: ' * 10_000}", 1, f"nested more than {DEEPEST} deep"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, said: str) -> None:
    faults = read(text).faults
    assert [(fault.line, said in fault.text) for fault in faults] == [(line, True)], faults


def test_everything_is_told_at_once() -> None:
    found = read("a: yes\nb: 010\na: 1\nc: [1:30, {d: ~}]\n")
    assert [(fault.line, fault.path) for fault in found.faults] == [
        (1, ("a",)), (2, ("b",)), (3, ("a",)), (4, ("c", 0)), (4, ("c", 1, "d")),
    ]  # fmt: skip


def test_each_key_and_item_has_its_line() -> None:
    found = read("a: 1\nb:\n  - c: 2\n  -\n    c: 3\n")
    assert found.value == {"a": 1, "b": [{"c": 2}, {"c": 3}]}
    assert [found.line_of(path) for path in [("a",), ("b", 0, "c"), ("b", 1, "c"), ("b", 1, "missing"), ()]] == [
        1, 3, 5, 5, 1,
    ]  # fmt: skip


@given(st.text(alphabet=" \n:-[]{}#&*!|>'\"%@`,?abc1", max_size=80))
def test_it_never_raises(text: str) -> None:
    read(text)
