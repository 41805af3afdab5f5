"""A run's document as one HTML file: no script, nothing from elsewhere, light, dark and on paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

if TYPE_CHECKING:
    from bench.report.document import Document

HERE = Path(__file__).parent
_SITE = settings.BASE_DIR / "e2e_site" / "theme" / "static_src" / "src"
# In their order: what the file alone needs, the site's own shapes and charts, and what the page and the file share.
_STYLES = (HERE / "file.css", _SITE / "shapes.css", _SITE / "charts.css", HERE / "report.css")


def render(document: Document) -> str:
    """The whole file. It opens from disk, and asks for nothing."""
    style = mark_safe("".join(path.read_text("utf-8") for path in _STYLES))  # noqa: S308  # files of ours
    text = render_to_string("bench/report/file.html", {"document": document, "style": style})
    return "\n".join(line for line in text.splitlines() if line.strip()) + "\n"
