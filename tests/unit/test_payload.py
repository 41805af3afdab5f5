"""commands/rules/payload.py: what a payload may be, and what any typed text comes to."""

from typing import Any
from uuid import uuid4

import pytest

from commands.rules.payload import MAX_BYTES, MAX_DEPTH, PayloadError, holds_exact_numbers, parse_json, payload_text


def nested(depth: int) -> dict[str, Any]:
    """An object of ``depth`` levels."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def of_size(size: int) -> dict[str, str]:
    return {"a": "x" * (size - len('{"a":""}'))}


@pytest.mark.parametrize(
    "value",
    [{}, {"a": [1, 2.5, True, None, "é", {"b": []}]}, {"big": 10**400}, nested(MAX_DEPTH), of_size(MAX_BYTES)],
    ids=["empty", "every kind", "long number", "deepest", "longest"],
)
def test_any_bounded_json_object_is_a_payload(value: dict[str, Any]) -> None:
    payload_text(value)


def test_the_size_counts_bytes_and_not_characters() -> None:
    with pytest.raises(PayloadError, match=r"at most 65,536 bytes \(64 KiB\) of JSON, not 80,008"):
        payload_text({"a": "é" * 40_000})


BAD: list[tuple[Any, str]] = [
    (None, "must be a JSON object, not null"),
    ([], "must be a JSON object, not a list"),
    ("x", "must be a JSON object, not a text"),
    (3, "must be a JSON object, not a number"),
    (True, "must be a JSON object, not true or false"),
    (of_size(MAX_BYTES + 1), "at most 65,536 bytes"),
    (nested(MAX_DEPTH + 1), "not be nested deeper than 100 levels"),
    ({"a": float("nan")}, "must not hold nan"),
    ({"a": [float("-inf")]}, "must not hold -inf"),
    ({"a": "b\0"}, "must not hold NUL"),
    ({"b\0": 1}, "must not hold NUL"),
    ({"a": "\udc00"}, "half surrogate pairs"),
    ({1: "a"}, "must have text for its keys"),
    ({"a": uuid4()}, "must hold JSON values only, not UUID"),
    ({"a": (1, 2)}, "must hold JSON values only, not tuple"),
    ({"a": 10**5000}, "so many digits"),
]


@pytest.mark.parametrize(("value", "message"), BAD, ids=[message for _, message in BAD])
def test_what_is_no_payload_is_refused_and_the_error_says_why(value: Any, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        payload_text(value)


def test_an_object_that_holds_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    with pytest.raises(PayloadError, match="nested deeper"):
        payload_text(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"Not valid JSON: .* \(line 1, column 1\)"),
        ('{"a": 1,\n}', r"Not valid JSON: .* \(line [12], column \d+\)"),
        ("[" * 200_000, r"Nested deeper than 100 levels|Not valid JSON"),
        ("[" * 200_000 + "]" * 200_000, "Nested deeper than 100 levels"),
        ("1" * 5000, "too many digits"),
    ],
    ids=["empty", "comma", "opened", "deep", "long number"],
)
def test_a_text_that_is_no_json_is_refused_and_the_error_says_where(text: str, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"a": 1, "a": 1}', "a"),
        ('{"lines": [{}, {"price": 1, "tax": {}, "price": 2}]}', "lines[1].price"),
        ('[[{"two words": {"\u202e": 1, "\u202e": 2}}]]', r'[0][0]."two words"."\u202e"'),
        ('{"%s": {"b": 1, "b": 2}}' % ("a" * 5000), "…" + "a" * 97 + ".b"),
        ('{"a": 0, "a": {"b": 1, "b": 1}}', "a"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_by_its_path(text: str, path: str) -> None:
    with pytest.raises(PayloadError) as caught:
        parse_json(text)
    assert str(caught.value) == f"{path} is there twice: a key has one value."


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("0.1234567890123456789012", "0.1234567890123456789012"),
        ("1e400", "1" + "0" * 400),
        ("-1.5E-5", "-0.000015"),
        ("1e-400", "0." + "0" * 399 + "1"),
        ("1.50", "1.50"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1e4299", "1" + "0" * 4299),
        ("0.1", "0.1"),
        ("7", "7"),
    ],
)
def test_a_number_keeps_its_digits(typed: str, written: str) -> None:
    value = parse_json(f'{{"a": [{{"b": {typed}}}]}}')
    assert payload_text(value) == f'{{"a":[{{"b":{written}}}]}}'
    assert holds_exact_numbers(value) == (written not in ("0.1", "7", "12345678901234567890123"))


@pytest.mark.parametrize("number", ["1e4300", "1e-4300", "1e99999999999999999999", "-0e-9999", "1" * 4301])
def test_a_number_that_no_worker_could_read_is_refused(number: str) -> None:
    with pytest.raises(PayloadError, match="too many digits: written out, at most 4,300"):
        parse_json(number)


def test_the_size_counts_numbers_as_they_are_written_out() -> None:
    with pytest.raises(PayloadError, match="at most 65,536 bytes"):
        payload_text(parse_json(f'{{"a": [{",".join(["1e4000"] * 20)}]}}'))


def test_a_text_that_is_json_is_its_value() -> None:
    assert parse_json(' {"a": [1, null]} ') == {"a": [1, None]}
