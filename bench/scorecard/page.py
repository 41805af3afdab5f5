"""docs/scorecard.md: what the probes found, as a page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.oracle.as_built import TITLES
from bench.scorecard.findings import OF_BOTH, Found
from commands.rules.words import Engine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.scorecard.findings import Finding

COMMAND = "manage.py bench scorecard --write"
_NATIVE = {Found.PRESENT: "shows", Found.FIXED: "does not show", Found.NOT_EXERCISED: "not exercised"}


def page(findings: Sequence[Finding], versions: Mapping[str, str], day: str) -> str:
    """The whole page; ``day`` as ``2026-05-01``."""
    library = {one.id: one for one in findings if one.engine is Engine.LIBRARY}
    native = {one.id: one for one in findings if one.engine is Engine.NATIVE}
    measured = ", ".join(f"{name} {number}" for name, number in versions.items() if name != "commit")
    both = " and ".join(sorted(OF_BOTH, key=lambda name: int(name[1:])))
    lines = [
        "# Scorecard of the library's worker",
        "",
        "<!-- Made by the command below; changes by hand are lost. -->",
        "",
        f"What the worker of `reliable-cmd` {versions.get('reliable-cmd', '')} is known to do otherwise",
        "([promises.md](promises.md#what-engine-library-does-otherwise)), seen again in real runs of",
        "`runworker --engine library`, and of the library's own API where no worker is needed. Engine `native` goes",
        f"through the same steps. {both} are of both engines: both send by the library.",
        "",
        f"Made on {day} with {measured}, by:",
        "",
        "```",
        f".venv/bin/python {COMMAND}",
        "```",
        "",
        f"Of {len(library)} deviations {_counted(list(library.values()))}.",
        "",
        "| | Deviation | Engine `library` | Seen | Engine `native` | Seen |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_line(library[name], native[name]) for name in TITLES if name in library and name in native]
    letters = (
        "A story such as `SRRC` has a letter for each event of a command: S sent, R received (an attempt begins), "
        "F failed and will be retried, C completed, T moved to the troubleshooting queue, B business rule failed; "
        "small letters are ends that came too late to count."
    )
    return "\n".join([*lines, "", letters, ""])


def _line(library: Finding, native: Finding) -> str:
    cells = (
        library.id, library.title, f"**{library.word.label}**", _cell(library.evidence), _NATIVE[native.word],
        _cell(native.evidence),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _counted(findings: Sequence[Finding]) -> str:
    said = []
    for word in Found:
        number = sum(one.word is word for one in findings)
        if number:
            said.append(f"{number} {'is' if number == 1 else 'are'} {word.label}")
    return ", ".join(said)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
