"""commands/worker/reading.py: in a server's answer only that is lost which Python cannot read."""

import json
from typing import Any

import pytest

from commands.worker.reading import Unreadable, answer, any_value, message

LONG = "1" + "0" * 5000
DEEP = "[" * 200_000 + "]" * 200_000
ROW = [7, "6f1f7c0e-8f0a-4a53-9e7c-0b1f6b3a2d11", "Type", {"a": '] [ \\" {'}, None, None, "2026-03-01", 1, 3, 1, {}]


def served(*rows: str) -> str:
    """An answer of receive_commands with these arrays, spaced as the server spaces it."""
    return f'{{"commands" : [{", ".join(rows)}], "parked" : 0, "dry" : true, "due_ms" : null}}'


def with_(place: int, text: str) -> str:
    """The row, with this JSON text in a place of it."""
    parts = [json.dumps(value) for value in ROW]
    return f"[{', '.join([*parts[:place], text, *parts[place + 1 :]])}]"


def test_an_answer_without_surprises_is_what_json_makes_of_it() -> None:
    text = served(json.dumps(ROW), json.dumps(ROW))
    assert answer(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LONG, "a number has more than 4,300 digits"),
        (DEEP, "it is nested too deeply"),
        (f'{{"a": [1, {{"b": "}}\\\\", "c": -{LONG}}}, "x"], "d": {{}}}}', "a number has more than 4,300 digits"),
        (f'["]", "{{", {DEEP}]', "it is nested too deeply"),
    ],
    ids=["number", "nesting", "number within", "nesting within"],
)
def test_only_the_value_that_cannot_be_read_is_lost(text: str, why: str) -> None:
    found = answer(served(json.dumps(ROW), with_(3, text), json.dumps(ROW), with_(10, text), with_(3, "[]")))
    good, bad, also_good, also_bad, last = found["commands"]
    assert (found["parked"], found["dry"], found["due_ms"]) == (0, True, None)
    assert good == also_good == ROW
    assert last == [*ROW[:3], [], *ROW[4:]]
    assert [*bad[:3], *bad[4:]] == [*ROW[:3], *ROW[4:]]
    assert also_bad[:10] == ROW[:10]
    for lost in (bad[3], also_bad[10]):
        assert isinstance(lost, Unreadable)
        assert lost.why == why
        assert text.startswith(lost.text.removesuffix("…"))
        assert len(lost.text) == 200


def test_a_message_loses_a_member_and_a_value_itself() -> None:
    read: Any = message(f'{{"command_id": "a", "data": {DEEP}, "reply_to": null}}')
    assert (read["command_id"], read["reply_to"]) == ("a", None)
    assert isinstance(read["data"], Unreadable)
    assert isinstance(message(LONG), Unreadable)
    assert isinstance(any_value(f'{{"a": {LONG}}}'), Unreadable)
    assert any_value('{"a": [1]}') == {"a": [1]}
