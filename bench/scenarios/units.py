"""Durations as scenarios write them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

Seconds = float
PATTERN = r"^(\d+(\.\d+)?) ?(ms|s|m|L)$"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
LEASE = "L"
_LONGEST = 86_400  # seconds, or leases


@dataclass(frozen=True)
class Duration:
    """``number`` of ``unit``: ms, s, m, or L, the lease of the scenario. Raises ValueError, with what is allowed."""

    number: float
    unit: str = "s"

    def __post_init__(self) -> None:
        if self.unit not in (*_UNITS, LEASE) or not 0 <= self.number * _UNITS.get(self.unit, 1) <= _LONGEST:
            raise _refused(f"{self.number}{self.unit}")

    @classmethod
    def parse(cls, text: object) -> Duration:
        """Raises ValueError, with what is allowed."""
        found = re.fullmatch(PATTERN, text, re.ASCII) if isinstance(text, str) else None
        if not found:
            raise _refused(text)
        return cls(float(found[1]), found[3])

    def seconds(self, lease_s: float) -> Seconds:
        return self.number * (lease_s if self.unit == LEASE else _UNITS[self.unit])

    def __str__(self) -> str:
        """As `parse` reads it, to the last digit."""
        number = format(Decimal(repr(float(self.number))), "f")
        return f"{number.rstrip('0').rstrip('.') if '.' in number else number}{self.unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, Duration) else cls.parse(value),
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": PATTERN, "examples": ["500ms", "3s", "2m", "1.5L"]}


def _refused(given: object) -> ValueError:
    shown = repr(given) if isinstance(given, str | int | float) else f"a {type(given).__name__}"
    return ValueError(f"a duration is written 500ms, 3s, 2m, or 1.5L (leases), up to a day, not {shown[:40]}")
