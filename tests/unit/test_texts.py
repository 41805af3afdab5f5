"""e2e_site/texts.py: what is too long for a line, a column or a log."""

import psycopg
import pytest

from e2e_site.texts import cut, one_line


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
