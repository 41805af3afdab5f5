"""How verdicts look to people: the icon and color of each word of a report, of runs and of checks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.document import CommandVerdict, RuleWord
from bench.scenarios.model import RunVerdict
from commands.rules.formatting import Style

if TYPE_CHECKING:
    from collections.abc import Mapping

VERDICT_STYLES: Mapping[str, Style] = {
    RunVerdict.PASS: Style("check", "cyan"),
    RunVerdict.FAIL: Style("cross", "rose"),
    RunVerdict.UNKNOWN: Style("info", "amber"),
}
COMMAND_STYLES: Mapping[str, Style] = {
    CommandVerdict.MATCH: Style("check", "cyan"),
    CommandVerdict.ALLOWED: Style("check", "blue"),
    CommandVerdict.KNOWN: Style("info", "violet"),
    CommandVerdict.MISMATCH: Style("alert", "rose"),
    CommandVerdict.STUCK: Style("clock", "orange"),
    CommandVerdict.LOST: Style("cross", "rose"),
    CommandVerdict.UNKNOWN: Style("info", "amber"),
}
RULE_STYLES: Mapping[str, Style] = {
    RuleWord.HOLDS: Style("check", "cyan"),
    RuleWord.BROKEN: Style("alert", "rose"),
    RuleWord.UNKNOWN: Style("info", "amber"),
    RuleWord.NOT_ASKED: Style("ban", "slate"),
}
HELD_STYLES: Mapping[bool | None, tuple[Style, str]] = {
    True: (Style("check", "cyan"), "Held"),
    False: (Style("alert", "rose"), "Not so"),
    None: (Style("info", "amber"), "Not told"),
}
FIRED_STYLES: Mapping[bool | None, tuple[Style, str]] = {
    True: (Style("check", "cyan"), "Fired"),
    False: (Style("alert", "amber"), "Did not fire"),
    None: (Style("info", "amber"), "Not told"),
}
DEVIATION_STYLES: Mapping[str, tuple[Style, str]] = {
    "present": (Style("alert", "violet"), "Still present"),
    "fixed": (Style("check", "cyan"), "Fixed"),
    "not_exercised": (Style("ban", "slate"), "Not exercised"),
}
