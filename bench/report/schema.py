"""The JSON Schema of a run's document, for programs that read one: docs/report.schema.json. Pure."""

from __future__ import annotations

import json

from bench.report.document import FORMAT, Document


def render_schema() -> str:
    """The schema as text that ends with a newline: the file in docs holds just this."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:command-bus-e2e:run-document:{FORMAT}",
        **Document.model_json_schema(),
    }
    schema["title"] = f"The document of a bench run, format {FORMAT}"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
