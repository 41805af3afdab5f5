"""e2e_site/shared.py: answers for keys that come from outside."""

import pytest
from pytest_django.fixtures import Settings

from e2e_site.shared import Recent


@pytest.fixture(autouse=True)
def _kept_for_long(settings: Settings) -> None:
    settings.SHARED_FOR_S = 3600


def test_an_answer_is_kept_for_its_moment(settings: Settings) -> None:
    asked: list[str] = []

    def compute(key: str) -> str:
        asked.append(key)
        return key.upper()

    recent = Recent(compute, most=10)
    assert [recent.get("a"), recent.get("a")] == ["A", "A"]
    assert asked == ["a"]
    settings.SHARED_FOR_S = 0
    assert recent.get("a") == "A"
    assert asked == ["a", "a"]


def test_what_has_no_answer_is_not_remembered() -> None:
    answers: dict[str, int] = {}
    recent: Recent[str, int] = Recent(answers.get, most=10)
    assert [recent.get(f"made up {number}") for number in range(1000)] == [None] * 1000
    assert len(recent) == 0
    answers["new"] = 1
    assert recent.get("new") == 1, "good at once"


def test_no_more_than_so_many_are_kept_and_the_oldest_goes_first() -> None:
    asked: list[int] = []

    def compute(key: int) -> int:
        asked.append(key)
        return key + 1

    recent = Recent(compute, most=3)
    for key in range(100):
        recent.get(key)
    assert len(recent) == 3
    asked.clear()
    assert [recent.get(key) for key in (99, 98, 97, 0)] == [100, 99, 98, 1]
    assert asked == [0]


def test_an_answer_that_is_gone_is_forgotten(settings: Settings) -> None:
    answers = {"a": 1}
    recent: Recent[str, int] = Recent(answers.get, most=3)
    assert recent.get("a") == 1
    del answers["a"]
    assert recent.get("a") == 1
    recent.forget()
    assert recent.get("a") is None
    assert len(recent) == 0
