"""rules/redaction.py: what is hidden is gone, wherever it stood, and nothing else is touched."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.rules.formatting import pretty_json
from commands.rules.payload import exact_json, parse_json
from commands.rules.redaction import REDACTED, Redactor, redact, redact_text
from e2e_site.stored_json import StoredText

KEYS = frozenset({"password", "iban", "größe"})
SECRET = "SECRET"

names = st.sampled_from(
    ["password", "Password", "PASSWORD", "iban", "Größe", "order", "passwords", "a:b", '{"iban"', "é"]
)
plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)
values = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(names, st.text(max_size=4)), inner, max_size=4),
        inner.map(lambda value: json.dumps(value, ensure_ascii=False)),
    ),
    max_leaves=25,
)
ways = st.sampled_from([{"ensure_ascii": True}, {"ensure_ascii": False}, {"indent": 2}, {"separators": (",", ":")}])


def hides_nothing(value: Any) -> bool:
    """Whether none of the keys is there with another value than the marker, written anew."""
    match value:
        case dict():
            return all(
                inner == REDACTED if key.casefold() in KEYS else hides_nothing(inner) for key, inner in value.items()
            )
        case list():
            return all(map(hides_nothing, value))
        case str():
            try:
                return hides_nothing(json.loads(value)) if value.lstrip()[:1] in '{["' and value.strip() else True
            except ValueError:
                return True
        case _:
            return True


@given(values, ways)
def test_a_text_and_a_value_are_redacted_alike_and_nothing_is_left(value: Any, way: dict[str, Any]) -> None:
    text, hidden = redact_text(json.dumps(value, **way), KEYS)
    redacted, also_hidden = redact(value, KEYS)
    assert hides_nothing(json.loads(text))
    assert hides_nothing(redacted)
    assert hidden == also_hidden
    if not isinstance(value, str):  # a text alone is looked into where it is JSON
        assert json.loads(text) == redacted


@given(values, ways)
def test_nothing_else_changes(value: Any, way: dict[str, Any]) -> None:
    text = json.dumps(value, **way)
    assert redact_text(text, frozenset({"no such key"})) == (text, 0)
    assert redact_text(text, frozenset()) == (text, 0)
    once, _ = redact_text(text, KEYS)
    twice, _ = redact_text(once, KEYS)
    assert twice == once


@given(st.lists(st.sampled_from(["password", "iban", "order", "lines"]), min_size=1, max_size=5), st.data())
def test_wherever_a_text_is_cut_no_secret_is_left(path: list[str], data: st.DataObject) -> None:
    value: Any = {"password": SECRET, "n": 1, "deep": [SECRET.lower(), {"IBAN": [SECRET, {"x": SECRET}]}]}
    for name in path:
        value = {name: value, "text": json.dumps({"iban": SECRET * 2, "k": json.dumps({"password": SECRET})})}
    text = json.dumps(value)
    cut = data.draw(st.integers(0, len(text)))
    found, _ = redact_text(text[:cut], KEYS)
    assert "SEC" not in found


@pytest.mark.parametrize("way", [{}, {"indent": 1}, {"separators": (" , ", " : ")}])
def test_a_text_that_is_cut_at_any_place_has_no_secret_either(way: dict[str, Any]) -> None:
    inner = json.dumps({"Password": [SECRET, {"x": SECRET + '":'}]})
    value = {"a": json.dumps({"iban": SECRET + ":", "k": inner}), "n": [{"IBAN": {"q": SECRET}}, "x:"], "z": '":'}
    text = json.dumps(value, **way)
    assert [end for end in range(len(text) + 1) if "SEC" in redact_text(text[:end], KEYS)[0]] == []
    assert json.loads(redact_text(text, KEYS)[0])["n"] == [{"IBAN": REDACTED}, "x:"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a": 1.000000000000000000001, "password": 7}', '{"a": 1.000000000000000000001, "password": "•••"}'),
        ('{"password": {"deep": [1, "}"]}, "b": 2}', '{"password": "•••", "b": 2}'),
        ('{"password": [[]], "b": 2}', '{"password": "•••", "b": 2}'),
        ('{"pass\\u0077ord": "x"}', '{"pass\\u0077ord": "•••"}'),
        ('{"password": null}', '{"password": "•••"}'),
        ('{"a": "password", "b": ["password", 1]}', '{"a": "password", "b": ["password", 1]}'),
        ('{"a": "password: x"}', '{"a": "password: x"}'),
        ('[{"iban": "DE1"}, {"IBAN": "DE2"}]', '[{"iban": "•••"}, {"IBAN": "•••"}]'),
        ('{"x": "{\\"iban\\": 1}"}', '{"x": "{\\"iban\\": \\"•••\\"}"}'),
        ('{"x": "{\\"iban\\": \\"DE1', '{"x": "{\\"iban\\": \\"•••\\"'),
        ('{"x": "{\\"iban\\": \\"DE1\\", \\"y\\":', '{"x": "{\\"iban\\": \\"•••\\", \\"y\\":'),
        ('{"x": "{\\"iban\\": \\"DE1:', '{"x": "{\\"iban\\": \\"•••\\"'),
        ('{"password" : "half', '{"password" : "•••"'),
        ('{"password": {"half": [1', '{"password": "•••"'),
        ('{"password"', '{"password"'),
        ('{"password": ', '{"password": '),
    ],
)
def test_what_a_text_looks_like(text: str, shown: str) -> None:
    assert redact_text(text, KEYS)[0] == shown


def test_every_digit_of_the_others_stays_in_a_value() -> None:
    payload = parse_json('{"iban": 1, "n": 12345678901234567890.123456789012345, "e": 1e400}')
    found, hidden = redact(payload, KEYS)
    assert hidden == 1
    assert exact_json(found).startswith('{"iban":"•••","n":12345678901234567890.123456789012345,"e":1000')
    assert payload["iban"] == 1  # what was given is left as it is


def test_the_first_levels_may_be_ours() -> None:
    line = '{"iban": "ours", "payload": {"iban": "theirs"}}'
    assert redact_text(line, KEYS, from_depth=2) == ('{"iban": "ours", "payload": {"iban": "•••"}}', 1)


def test_what_python_cannot_read_is_redacted_by_its_text() -> None:
    deep = "[" * 500 + '{"iban": 1}' + "]" * 500
    found, hidden = redact(StoredText(deep), KEYS)
    assert (hidden, found.text) == (1, deep.replace("1", '"•••"'))


def test_a_redactor_counts_what_it_took_away_and_says_where_a_text_was_cut() -> None:
    redactor = Redactor(KEYS)
    assert redactor.text('{"iban": 12345', most=14) == '{"iban": "•••"…'
    assert redactor.under("IBAN", "[1, 2]") == '"•••"'
    assert redactor.under("payload", '{"iban": 1}') == '{"iban": "•••"}'
    assert redactor.value([{"iban": 1}]) == [{"iban": REDACTED}]
    assert redactor.details({"attempt": 1, "unreadable": '[{"iban": 1}]'}) == {
        "attempt": 1,
        "unreadable": '[{"iban": "•••"}]',
    }
    assert redactor.hidden == 5
    assert pretty_json('{"iban": "•••"…').endswith('"•••"…')


def test_a_long_text_is_redacted_in_a_moment() -> None:
    text = json.dumps([{"password": "x" * 50, "lines": list(range(20))} for _ in range(2000)])
    assert redact_text(text, KEYS)[1] == 2000
