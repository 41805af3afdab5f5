"""The JSON Schema of scenarios, for editors: ``docs/scenario.schema.json``. Pure."""

from __future__ import annotations

from typing import Any

from bench.scenarios.model import Scenario
from bench.scenarios.wording import KINDS


def schema() -> dict[str, Any]:
    """Of files: keys as they are written. What no single field can tell is not in it."""
    made = Scenario.model_json_schema(by_alias=True, mode="validation")
    for kind in KINDS.values():
        definition = made["$defs"][kind.__name__]
        definition["required"] = ["do", *definition.get("required", [])]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A scenario of the bench"}
    return {**head, **{key: value for key, value in _without_titles(made).items() if key not in head}}


def _without_titles(value: Any) -> Any:
    """Pydantic's titles repeat the keys."""
    if isinstance(value, dict):
        return {
            key: _without_titles(part) for key, part in value.items() if not (key == "title" and isinstance(part, str))
        }
    return [_without_titles(part) for part in value] if isinstance(value, list) else value
