"""``--json FILE --junit FILE --html FILE --markdown FILE``: where the report of a run goes, of several into folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import WrongCallError
from bench.runs.files import FORMATS, rendered

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from bench.report.document import Document

_HELP = {
    "json": "the whole document, format 1",
    "junit": "for a CI: a case for each invariant, expectation and fault",
    "html": "one page without scripts",
    "markdown": "a summary",
}


def add_options(parser: ArgumentParser) -> None:
    for name, text in _HELP.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write the report there: {text}")


def check(options: dict[str, Any], *, several: bool) -> None:
    """Before anything is run: raises WrongCallError where a report could not be written; makes folders of several."""
    for name in _HELP:
        path: Path | None = options[name]
        if path is None:
            continue
        try:
            if several:
                path.mkdir(parents=True, exist_ok=True)
            elif path.is_dir() or not path.parent.is_dir():
                raise WrongCallError(f"--{name} {path}: there is no such folder, or it is one.")
        except OSError as exc:
            raise WrongCallError(
                f"--{name} {path}: of several runs it is a folder, and cannot be made: {exc}."
            ) from exc


def write(document: Document, options: dict[str, Any], *, several: bool) -> None:
    """Raises WrongCallError where one cannot be written."""
    for kind, known in FORMATS.items():
        path: Path | None = options[known.option]
        if path is None:
            continue
        file = path / f"{document.head.scenario}{known.suffix}" if several else path
        try:
            file.write_text(rendered(document, kind), "utf-8")
        except OSError as exc:
            raise WrongCallError(f"--{known.option} {file}: it cannot be written: {exc}.") from exc
