"""A run's document as a short Markdown text, for the summary of a CI job. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.report.document import CommandVerdict, RuleWord
from bench.report.pictures import LATENCY_NAMES
from bench.report.shown import attempts_text, seen_attempts, words_of
from commands.rules.formatting import duration
from commands.rules.words import Status
from e2e_site.texts import cut, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.report.document import Criterion, Document, Row

_SHOWN = 300  # characters of a text from outside
_ROWS = 20  # of a table, of a list
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~$&@-])")
_HELD = {True: "held", False: "**not so**", None: "not told"}
_NONE = "–"  # noqa: RUF001  # a dash for nothing measured


def render(document: Document) -> str:
    return "\n".join(_lines(document)).rstrip() + "\n"


def _lines(document: Document) -> Iterator[str]:
    head = document.head
    yield f"## {_text(head.scenario)}: {head.verdict.value}"
    yield ""
    yield _text(head.why)
    if head.verdict is not head.expected_verdict:
        yield f"Its scenario expects **{head.expected_verdict.value}**."
    yield ""
    yield f"- Seed {head.seed}, engine {_text(', '.join(head.engines))}, {duration(head.seconds * 1000)}"
    yield f"- The same again: {_code(head.command)}"
    for unknown in head.unknowns[:_ROWS]:
        yield f"- Not told: {_text(unknown)}"
    yield ""
    yield from _accounting(document)
    yield from _matrix(document.matrix)
    yield from _rules(document)
    yield from _faults(document)
    yield from _criteria("Expectations", [*document.expectations, *document.sometimes])
    yield from _latency(document)


def _accounting(document: Document) -> Iterator[str]:
    account = document.accounting

    def number(name: str) -> str:
        return f"{getattr(account, name):,} {words_of(name)}"

    parts = ("completed", "failed", "parked", "canceled", "stuck", "lost")
    beside = ("recovered", "unexpected", "duplicate_deliveries", "duplicate_effects", "duplicate_replies")
    yield f"{number('attempted')} = {' + '.join(number(name) for name in ('acknowledged', 'errors', 'unknown'))}  "
    yield f"{number('acknowledged')} = {' + '.join(number(name) for name in parts)}  "
    yield ", ".join(number(name) for name in beside)
    told = [f"{document.verdicts[v]:,} {v.label.lower()}" for v in CommandVerdict if document.verdicts.get(v)]
    if told:
        yield ""
        yield f"Commands: {', '.join(told)}"
    yield ""


def _matrix(matrix: Sequence[Row]) -> Iterator[str]:
    if not matrix:
        return
    yield "| Behavior | Sent | Must end as | Ended as |"
    yield "| --- | ---: | --- | --- |"
    for row in matrix[:_ROWS]:
        expected = " or ".join(map(Status.label_of, row.expected))
        ended = []
        for cell in row.cells:
            attempts = ", ".join(f"{number}: {count:,}" for number, count in seen_attempts(cell.attempts))
            mark = "" if cell.expected else "**not expected** "
            told = f" (attempts {attempts})" if attempts else ""
            ended.append(f"{mark}{cell.count:,} {_text(Status.label_of(cell.status))}{told}")
        yield (
            f"| {_text(row.behavior)} | {row.sent:,} | {_text(expected)}, attempts {attempts_text(*row.attempts)} "
            f"| {'; '.join(ended) or 'none'} |"
        )
    yield ""


def _rules(document: Document) -> Iterator[str]:
    rules = document.rules
    if not rules:
        return
    counts = {word: sum(rule.word is word for rule in rules) for word in RuleWord}
    yield "**Invariants**: " + ", ".join(f"{count} {word.label.lower()}" for word, count in counts.items() if count)
    yield ""
    told = [rule for rule in rules if rule.word in (RuleWord.BROKEN, RuleWord.UNKNOWN)]
    for rule in told[:_ROWS]:
        if known := rule.known_by(document.scenario):
            yield f"- {_text(rule.id)} broken {rule.violations:,} times, as known ({_text(', '.join(known))})"
        elif rule.word is RuleWord.BROKEN:
            samples = ", ".join(_code(sample.command_id) for sample in rule.samples[:3] if sample.command_id)
            yield f"- **{_text(rule.id)} broken {rule.violations:,} times**: {_text(rule.text)} {samples}".rstrip()
        else:
            yield f"- {_text(rule.id)} not decided: {_text(rule.why)}"
    if told:
        yield ""


def _faults(document: Document) -> Iterator[str]:
    if not document.faults:
        return
    yield "| Fault | Fired | What had to hold |"
    yield "| --- | --- | --- |"
    for fault in document.faults[:_ROWS]:
        fired = {True: "yes", False: "**no**", None: "not told"}[fault.fired]
        held = "; ".join(f"{_text(one.text)}: {_HELD[one.held]}" for one in fault.criteria)
        yield f"| {_text(fault.id)} {_text(fault.do)} | {fired} | {held or _NONE} |"
    yield ""


def _criteria(title: str, criteria: Sequence[Criterion]) -> Iterator[str]:
    if not criteria:
        return
    yield f"**{title}**"
    yield ""
    for one in criteria[:_ROWS]:
        seen = f" ({_text(one.seen)})" if one.seen else ""
        yield f"- {_text(one.text)}: {_HELD[one.held]}{seen}"
    yield ""


def _latency(document: Document) -> Iterator[str]:
    if not document.latency:
        return
    yield "| Latency | n | p50 | p90 | p99 | p99.9 | longest |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for one in document.latency:
        figures = " | ".join(
            _NONE if value is None else duration(value) for value in (one.p50, one.p90, one.p99, one.p999, one.most)
        )
        yield f"| {LATENCY_NAMES[one.name]} | {one.n:,} | {figures} |"


def _text(text: str) -> str:
    """On one line, all of it meant as it stands."""
    return _SPECIAL.sub(r"\\\1", cut(" ".join(visible(text).split()), _SHOWN))


def _code(text: str) -> str:
    """As code, which takes all but the mark that ends it."""
    return f"`{cut(' '.join(visible(text).split()), _SHOWN).replace('`', chr(39))}`"
