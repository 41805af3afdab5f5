"""How runs look to people: the icon, color and word of each state and verdict. Pure."""

from __future__ import annotations

from bench.report.styles import VERDICT_STYLES
from commands.rules.formatting import Style

_STATES = {
    "waiting": (Style("clock", "blue"), "Waiting"),
    "running": (Style("play", "emerald", pulse=True), "Running"),
    "canceled": (Style("ban", "slate"), "Canceled"),
    "broken": (Style("alert", "orange"), "Could not run"),
    "lost": (Style("alert", "orange"), "Lost: its process died"),
}
# By the verdict, and whether its scenario expects that one.
_VERDICTS = {
    ("PASS", True): (VERDICT_STYLES["PASS"], "Passed"),
    ("PASS", False): (Style("check", "rose"), "Passed, unexpectedly"),
    ("FAIL", True): (Style("cross", "slate"), "Failed, as expected"),
    ("FAIL", False): (VERDICT_STYLES["FAIL"], "Failed"),
    ("UNKNOWN", True): (Style("info", "slate"), "Unknown, as expected"),
    ("UNKNOWN", False): (VERDICT_STYLES["UNKNOWN"], "Unknown"),
}


def run_style(state: str, verdict: str | None, *, as_asked: bool | None, silent: bool) -> tuple[Style, str]:
    """Icon and color, and the word: whatever its row says, a silent run is lost."""
    if silent:
        return _STATES["lost"]
    if state == "ended" and verdict is not None:
        return _VERDICTS[verdict, bool(as_asked)]
    return _STATES[state]


def change_text(percent: float | None) -> str:
    """ "+12.5 %", "-3 %", "0 %"; a dash where there is nothing to compare with."""
    if percent is None:
        return "–"  # noqa: RUF001  # a dash for nothing
    return "0 %" if round(percent, 1) == 0 else f"{percent:+,.1f}".removesuffix(".0") + " %"


def number_text(number: float | None) -> str:
    """ "12,345", "0.125", "3.4"; a dash for nothing."""
    if number is None:
        return "–"  # noqa: RUF001  # a dash for nothing
    if number == int(number):
        return f"{number:,.0f}"
    return f"{number:,.3g}" if abs(number) < 100 else f"{number:,.0f}"
