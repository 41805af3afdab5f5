"""bench/scorecard: what findings come to, and the page that tells them."""

import re

from bench.oracle.as_built import TITLES
from bench.scorecard.conduct import PROBES
from bench.scorecard.findings import Finding, Found, Shown, finding, wrong
from bench.scorecard.page import page
from commands.rules.words import Engine
from tests.support.clusters import CHECKOUT

PROMISES = (CHECKOUT / "docs" / "promises.md").read_text("utf-8")


def both(name: str, library: bool | None, native: bool | None) -> list[Finding]:
    return [
        finding(name, Engine.LIBRARY, Shown(is_there=library, evidence="3 replies, `SRRC`")),
        finding(name, Engine.NATIVE, Shown(is_there=native, evidence="a|b")),
    ]


def test_every_listed_deviation_has_a_title_and_a_probe() -> None:
    listed = re.findall(r"^\| (D\d+) \|", PROMISES, re.MULTILINE)
    assert list(TITLES) == list(PROBES) == listed


def test_a_probe_that_could_not_tell_is_not_exercised() -> None:
    assert [one.word for one in both("D4", True, None)] == [Found.PRESENT, Found.NOT_EXERCISED]
    assert both("D4", False, False)[0].word is Found.FIXED


def test_a_deviation_of_the_library_in_native_is_wrong_unless_both_send_by_it() -> None:
    assert [one.id for one in wrong([*both("D4", True, True), *both("D7", True, True), *both("D1", True, False)])] == [
        "D4"
    ]


def test_the_page_has_a_line_for_each_and_says_how_it_was_made() -> None:
    text = page(
        [*both("D4", True, False), *both("D9", False, None)], {"reliable-cmd": "0.2.2", "commit": "x"}, "2026-05-01"
    )
    assert (
        "| D4 | Every overlapping attempt that succeeds sends its own reply | **still present** | 3 replies, `SRRC`"
        in text
    )
    assert "| does not show | a\\|b |" in text
    assert "| D9 | The worker ends when a connection is lost | **fixed** |" in text
    assert "Of 2 deviations 1 is still present, 1 is fixed." in text
    assert "manage.py bench scorecard --write" in text
    assert "2026-05-01" in text
