"""The report of a run as a file: HTML, JUnit, Markdown, JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bench.report import html, junit, markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.report.document import Document


class ReportFormat(StrEnum):
    """The end of a report's address."""

    HTML = "html"
    JUNIT = "junit"
    MD = "md"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class Format:
    """``suffix``: of a file; ``option``: of the command line."""

    media_type: str
    suffix: str
    option: str
    render: Callable[[Document], str]


def _json(document: Document) -> str:
    return document.model_dump_json(indent=1)


FORMATS: Mapping[ReportFormat, Format] = {
    ReportFormat.HTML: Format(media_type="text/html", suffix=".html", option="html", render=html.render),
    ReportFormat.JUNIT: Format(media_type="application/xml", suffix=".junit.xml", option="junit", render=junit.render),
    ReportFormat.MD: Format(media_type="text/markdown", suffix=".md", option="markdown", render=markdown.render),
    ReportFormat.JSON: Format(media_type="application/json", suffix=".json", option="json", render=_json),
}


def rendered(document: Document, kind: ReportFormat) -> str:
    return FORMATS[kind].render(document)
