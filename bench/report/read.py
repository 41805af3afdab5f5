"""A run's document as it was written: read again, and refused clearly where it is another thing. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bench.errors import BenchError
from bench.report.document import FORMAT, Document

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOLD = 3  # problems in a message


class NotADocumentError(BenchError):
    """What was given is no document of a run, or one of another format; the message says what is wrong with it."""


def read_document(given: str | bytes | Mapping[str, Any]) -> Document:
    """The document of a file's text or of a row's JSON. Raises NotADocumentError."""
    found = _parsed(given) if isinstance(given, str | bytes) else given
    if not isinstance(found, dict) or "format" not in found:
        raise NotADocumentError('This is no document of a run: it has no "format".')
    if found["format"] != FORMAT:
        raise NotADocumentError(
            f"This document has format {str(found['format'])[:40]}, and this version reads format {FORMAT} alone: "
            "read it with the version that wrote it, or run its scenario again."
        )
    try:
        return Document.model_validate_json(json.dumps(found))
    except ValidationError as exc:
        raise NotADocumentError(f"This is no document of a run: {_said(exc)}.") from exc


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise NotADocumentError(f"This is no document of a run: it is no JSON ({exc}).") from exc


def _said(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [f"{'.'.join(map(str, one['loc']))}: {one['msg'][:1].lower()}{one['msg'][1:]}" for one in found[:_TOLD]]
    return "; ".join(told) + (f"; and {len(found) - _TOLD} more" if len(found) > _TOLD else "")
