"""Whole numbers in environment variables: what is none is an error at start that says what is allowed."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from e2e_site import environment


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("9", 9), ("09", 9)])
def test_a_number_within_its_range_is_taken(text: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXIES", text)
    assert environment.whole("PROXIES", default=1, most=9) == number


@pytest.mark.parametrize("text", ["", "10", "-1", "1.0", "one", "\u0661", "1" * 5000, "0" * 20 + "10", " 1"])
def test_anything_else_is_an_error_that_says_what_is_allowed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXIES", text)
    with pytest.raises(ImproperlyConfigured, match=r"PROXIES is .*; allowed: a whole number from 0 to 9"):
        environment.whole("PROXIES", default=1, most=9)
