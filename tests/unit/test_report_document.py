"""The document of a run, written and read again; its schema in docs."""

import json
from collections.abc import Callable

import pytest
from jsonschema_rs import ValidationError, validator_for

from bench.report.document import Document
from bench.report.schema import render_schema
from tests.support import documents
from tests.support.clusters import CHECKOUT

SCHEMA = CHECKOUT / "docs" / "report.schema.json"


@pytest.mark.parametrize("make", [documents.full, documents.empty, documents.short, documents.hostile])
def test_what_is_written_is_read_again_and_fits_the_schema(make: Callable[[], Document]) -> None:
    document = make()
    text = document.model_dump_json()
    assert Document.model_validate_json(text) == document
    assert Document.model_validate(document.model_dump(mode="json")) == document
    validator_for(json.loads(SCHEMA.read_text())).validate(json.loads(text))


def test_the_schema_in_docs_is_that_of_the_document() -> None:
    assert SCHEMA.read_text() == render_schema(), "make it again: see docs/bench-report.md"


def test_the_schema_refuses_what_is_none() -> None:
    wrong = {**documents.full().model_dump(mode="json"), "format": 2}
    with pytest.raises(ValidationError):
        validator_for(json.loads(render_schema())).validate(wrong)
