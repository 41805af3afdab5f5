"""A run's document as JUnit's XML, for CI: the scenario is a suite, whatever had to hold a case. Pure.

What could not be told is skipped with its reason. What deviates in a way that is known passes, with a property that
says so. A scenario that is there to show a failure passes where it fails: its broken cases have a property ``broken``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from bench.report.document import CommandVerdict, RuleWord
from bench.scenarios.model import RunVerdict
from e2e_site.texts import cut, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.report.document import Criterion, Document, FaultRecord, Rule

_TEXT_SHOWN = 2000
_SAMPLES_SHOWN = 8
_BAD = (CommandVerdict.LOST, CommandVerdict.MISMATCH, CommandVerdict.STUCK)


@dataclass(kw_only=True)
class _Case:
    """``failed`` and ``skipped``: why; both empty: it passed."""

    group: str
    name: str
    failed: str = ""
    skipped: str = ""
    details: list[str] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)


def render(document: Document) -> str:
    head = document.head
    cases = list(_cases(document))
    if head.expected_verdict is RunVerdict.FAIL and head.verdict is RunVerdict.FAIL:
        for case in cases:
            _forgive(case)
    suite = Xml.Element("testsuite", {
        "name": _clean(head.scenario),
        "tests": str(len(cases)),
        "failures": str(sum(bool(case.failed) for case in cases)),
        "errors": "0",
        "skipped": str(sum(bool(case.skipped) for case in cases)),
        "time": f"{head.seconds:.3f}",
        "timestamp": _clean(head.started_at),
    })  # fmt: skip
    properties = {
        "verdict": head.verdict.value, "expected_verdict": head.expected_verdict.value, "why": head.why,
        "seed": str(head.seed), "command": head.command, "engines": ", ".join(head.engines),
        **{f"version {name}": version for name, version in document.versions.items()},
    }  # fmt: skip
    _properties(suite, properties)
    for case in cases:
        _write(suite, head.scenario, case)
    counts = ("tests", "failures", "errors", "skipped")
    suites = Xml.Element("testsuites", {name: suite.attrib[name] for name in counts})
    suites.append(suite)
    Xml.indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{Xml.tostring(suites, encoding="unicode")}\n'


def _cases(document: Document) -> Iterator[_Case]:
    yield _verdict(document)
    yield _oracle(document)
    for rule in document.rules:
        yield _rule(rule, rule.known_by(document.scenario))
    for fault in document.faults:
        yield _fault(fault)
    for criterion in document.expectations:
        yield _criterion("expectations", criterion)
    for criterion in document.sometimes:
        case = _criterion("sometimes", criterion)
        if case.failed:  # such a run says nothing: it is no failure of the bus
            case.skipped, case.failed = f"never seen: {case.failed}", ""
        yield case


def _verdict(document: Document) -> _Case:
    head = document.head
    case = _Case(group="run", name=f"comes to {head.expected_verdict.value}", details=list(head.unknowns))
    if head.verdict is RunVerdict.UNKNOWN and head.expected_verdict is not RunVerdict.UNKNOWN:
        case.skipped = head.why
    elif head.verdict is not head.expected_verdict:
        case.failed = f"{head.verdict.value}: {head.why}"
    return case


def _oracle(document: Document) -> _Case:
    """Every command against what had to become of it."""
    counts = {CommandVerdict(word): count for word, count in document.verdicts.items() if count}
    case = _Case(group="oracle", name="every command comes to what had to become of it")
    bad = {verdict: counts[verdict] for verdict in _BAD if verdict in counts}
    if bad:
        case.failed = ", ".join(f"{count:,} {verdict.label.lower()}" for verdict, count in bad.items())
        stories = [story for story in document.stories if story.verdict in _BAD][:_SAMPLES_SHOWN]
        case.details = [f"{story.command_id} {story.behavior} {story.word}: {story.why}" for story in stories]
    elif CommandVerdict.UNKNOWN in counts:
        case.skipped = f"of {counts[CommandVerdict.UNKNOWN]:,} commands no verdict was reached"
    elif not counts:
        case.skipped = "no command was compared"
    for verdict in (CommandVerdict.ALLOWED, CommandVerdict.KNOWN):
        if verdict in counts:
            case.properties[verdict.value.lower()] = str(counts[verdict])
    if present := [deviation.id for deviation in document.deviations if deviation.word == "present"]:
        case.properties["deviations"] = ", ".join(present)
    return case


def _rule(rule: Rule, known: Sequence[str]) -> _Case:
    case = _Case(group="invariants", name=f"{rule.id} {rule.text}")
    if rule.checked is not None:
        case.properties["checked"] = str(rule.checked)
    if known:
        case.properties["known"] = f"{', '.join(known)}: {rule.violations:,}"
    elif rule.word is RuleWord.BROKEN:
        case.failed = f"{rule.violations:,} violation{'s' if rule.violations != 1 else ''}"
        case.details = [
            " ".join(filter(None, (sample.command_id, sample.word, sample.detail)))
            for sample in rule.samples[:_SAMPLES_SHOWN]
        ]
    elif rule.word is RuleWord.UNKNOWN:
        case.skipped = f"not decided: {rule.why}" if rule.why else "not decided"
    elif rule.word is RuleWord.NOT_ASKED:
        case.skipped = f"not asked: {rule.why}" if rule.why else "not asked of such a run"
    return case


def _fault(fault: FaultRecord) -> _Case:
    case = _Case(group="faults", name=f"{fault.id} {fault.do}: {fault.text}")
    broken = [criterion for criterion in fault.criteria if criterion.held is False]
    untold = [criterion for criterion in fault.criteria if criterion.held is None]
    if broken:
        case.failed = "; ".join(f"not so: {_told(criterion)}" for criterion in broken)
    elif not fault.fired:
        word = "it did not fire" if fault.fired is False else "whether it fired is not told"
        case.skipped = f"{word}: {fault.detail}" if fault.detail else word
    elif untold:
        case.skipped = "; ".join(f"not told: {_told(criterion)}" for criterion in untold)
    case.details = [_told(criterion) for criterion in fault.criteria]
    return case


def _criterion(group: str, criterion: Criterion) -> _Case:
    case = _Case(group=group, name=criterion.text)
    if criterion.held is None:
        case.skipped = f"not told: {criterion.seen}" if criterion.seen else "not told"
    elif not criterion.held:
        case.failed = criterion.seen or "not so"
    elif criterion.seen:
        case.properties["seen"] = criterion.seen
    return case


def _forgive(case: _Case) -> None:
    if case.failed:
        case.properties["broken"], case.failed, case.details = case.failed, "", []


def _told(criterion: Criterion) -> str:
    return f"{criterion.text} ({criterion.seen})" if criterion.seen else criterion.text


def _write(suite: Xml.Element, scenario: str, case: _Case) -> None:
    names = {"classname": _clean(f"bench.{scenario}.{case.group}"), "name": _clean(case.name), "time": "0"}
    element = Xml.SubElement(suite, "testcase", names)
    _properties(element, case.properties)
    text = _clean("\n".join(case.details))
    if case.failed:
        Xml.SubElement(element, "failure", {"message": _clean(case.failed), "type": case.group}).text = text or None
    elif case.skipped:
        Xml.SubElement(element, "skipped", {"message": _clean(case.skipped)})


def _properties(element: Xml.Element, properties: dict[str, str]) -> None:
    if not properties:
        return
    within = Xml.SubElement(element, "properties")
    for name, value in properties.items():
        Xml.SubElement(within, "property", {"name": _clean(name), "value": _clean(value)})


def _clean(text: str) -> str:
    """What XML can hold: it has no way to write a control character."""
    return cut(visible(text), _TEXT_SHOWN)
