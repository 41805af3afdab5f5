"""Durations as scenarios write them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

Seconds = float
PATTERN = r"^(\d+(\.\d+)?) ?(ms|s|m|L)$"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_LONGEST = 86_400


@dataclass(frozen=True)
class Duration:
    """``number`` of ``unit``: ms, s, m, or L, the lease of the scenario."""

    number: float
    unit: str = "s"

    @classmethod
    def parse(cls, text: object) -> Duration:
        """Raises ValueError, with what is allowed."""
        found = re.fullmatch(PATTERN, text) if isinstance(text, str) else None
        if not found or float(found[1]) > _LONGEST:
            shown = repr(text) if isinstance(text, str | int | float) else f"a {type(text).__name__}"
            raise ValueError(f"a duration is written 500ms, 3s, 2m, or 1.5L (leases), up to a day, not {shown[:40]}")
        return cls(float(found[1]), found[3])

    def seconds(self, lease_s: float) -> Seconds:
        return self.number * (lease_s if self.unit == "L" else _UNITS[self.unit])

    def __str__(self) -> str:
        return f"{self.number:g}{self.unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, Duration) else cls.parse(value),
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": PATTERN, "examples": ["500ms", "3s", "2m", "1.5L"]}
