"""Results of benchmarks as if they had been measured."""

from typing import Any

from bench.benchmark.results import Result

ENVIRONMENT = {
    "server": "18.4",
    "durability": {"fsync": "on"},
    "python": "3.11.7",
    "system": "Linux",
    "processors": 2,
    "memory_gb": 8,
    "fdatasync_ms": [0.5, 1.5],
    "select_1_ms": [0.1, 0.2],
    "python_us": 0.71,
    "load_before": 0.1,
}


def measured(case: str, values: dict[str, list[float]] | None = None, **changes: Any) -> Result:
    """What one run of a case came to: 100 commands, three rounds, unless fields are given."""
    fields: dict[str, Any] = {
        "case": case,
        "measured_at": "2030-01-02T03:04:05+00:00",
        "runs": 3,
        "quick": False,
        "sizes": {"commands": 100},
        "values": values or {},
        "environment": dict(ENVIRONMENT),
    }
    return Result(**{**fields, **changes})
