"""The document of a run, written and read again; its schema in docs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema_rs import ValidationError, validator_for

from bench.report.document import Document
from bench.report.read import NotADocumentError, read_document
from bench.report.schema import render_schema
from tests.support import documents
from tests.support.clusters import CHECKOUT

SCHEMA = CHECKOUT / "docs" / "report.schema.json"


@pytest.mark.parametrize("make", [documents.full, documents.empty, documents.short, documents.hostile])
def test_what_is_written_is_read_again_and_fits_the_schema(make: Callable[[], Document]) -> None:
    document = make()
    text = document.model_dump_json()
    assert read_document(text) == document
    assert read_document(document.model_dump(mode="json")) == document
    validator_for(json.loads(SCHEMA.read_text())).validate(json.loads(text))


def test_the_schema_in_docs_is_that_of_the_document() -> None:
    assert SCHEMA.read_text() == render_schema(), "make it again: see docs/bench-report.md"


def test_the_schema_refuses_what_is_none() -> None:
    wrong = {**documents.full().model_dump(mode="json"), "format": 2}
    with pytest.raises(ValidationError):
        validator_for(json.loads(render_schema())).validate(wrong)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "it is no JSON"),
        ("[1]", 'it has no "format"'),
        ("{}", 'it has no "format"'),
        ('{"format": 2}', "has format 2, and this version reads format 1 alone"),
        ('{"format": 1}', "head: field required; scenario: field required; versions: field required; and "),
    ],
)
def test_another_thing_is_refused_with_what_is_wrong(given: str, said: str) -> None:
    with pytest.raises(NotADocumentError) as refused:
        read_document(given)
    assert said in str(refused.value)


def test_a_wrong_field_is_named() -> None:
    wrong: dict[str, Any] = documents.full().model_dump(mode="json")
    wrong["accounting"]["lost"] = "many"
    wrong["head"]["mood"] = "good"
    with pytest.raises(NotADocumentError) as refused:
        read_document(wrong)
    assert "head.mood: extra inputs are not permitted" in str(refused.value)
    assert "accounting.lost: " in str(refused.value)
