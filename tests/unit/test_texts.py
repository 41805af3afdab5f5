"""e2e_site/texts.py: what is too long for a line, a column or a log."""

import psycopg
import pytest

from e2e_site.texts import cut, one_line, storable_in, text_of, visible


@pytest.mark.parametrize(
    ("text", "short"), [("", ""), ("abcd", "abcd"), ("abcde", "abcde"), ("abcdef", "abcd…"), ("é" * 9, "éééé…")]
)
def test_a_text_that_is_too_long_ends_with_a_mark_and_is_no_longer_than_allowed(text: str, short: str) -> None:
    assert cut(text, 5) == short
    assert len(cut(text, 5)) <= 5


def test_an_error_on_one_line_is_what_it_says_first() -> None:
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect("postgres://nobody@127.0.0.1:1/nowhere")
    assert len(str(refused.value).splitlines()) > 1
    assert one_line(refused.value).endswith("Connection refused")
    assert "\n" not in one_line(refused.value)


def test_an_error_that_says_nothing_is_called_by_its_type() -> None:
    assert one_line(TimeoutError()) == "TimeoutError"
    assert one_line(ValueError("\n \n")) == "ValueError"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gpj.\u202etxt", "gpj.\\u202etxt"),
        ("\u2066a\u2069\u200b\ufeff", "\\u2066a\\u2069\\u200b\\ufeff"),
        ("\x1b[31m\r\x7f\x85", "\\u001b[31m\\u000d\\u007f\\u0085"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("pass\u200dword", "pass\\u200dword"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_json_writes_it(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["plain", "zwei\nZeilen\tTab", "שלום", "👨\u200d👩\u200d👧", "\u0645\u06cc\u200c\u062e\u0648", "é\u0301"]
)
def test_scripts_and_emoji_are_left_as_they_are(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "most", "stored"),
    [
        ("abc", 3, "abc"),
        ("a\0b\ud800", 20, "a\ufffdb\ufffd"),
        ("x" * 100, 50, "x" * 21 + "… (79 characters left out)"),
        ("é" * 50, 60, "é" * 16 + "… (34 characters left out)"),
        ("\0" * 50, 60, "\ufffd" * 10 + "… (40 characters left out)"),
    ],
)
def test_what_is_stored_is_bounded_in_bytes_and_says_what_is_left_out(text: str, most: int, stored: str) -> None:
    assert storable_in(text, most) == stored
    assert len(stored.encode()) <= most


def test_anything_has_a_text() -> None:
    class Mute:
        def __str__(self) -> str:
            raise ValueError("no text")

    assert (text_of(None), text_of(7), text_of(Mute())) == ("", "7", "Mute that has no text")
