"""What was measured, as values and as a JSON file.

A file holds the newest result of each case: ``{"format": 2, "cases": {name: result}}``.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from e2e_site.files import write_atomically
from e2e_site.options import Exit, SiteError

FORMAT = 2

Point = tuple[float, float]


class ResultsError(SiteError):
    """A results file cannot be read; the message names it and says why."""

    exit_code = Exit.REFUSED


@dataclass(kw_only=True)
class Result:
    """One run of one case.

    ``values`` holds what was measured, by metric, one number per round; ``series`` points (x, y) for charts; ``notes``
    what a reader must know, by metric or by another word; ``environment`` the machine and server.
    """

    case: str
    measured_at: str
    runs: int
    quick: bool
    sizes: dict[str, int]
    values: dict[str, list[float]] = field(default_factory=dict)
    series: dict[str, list[Point]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    def add(self, metric: str, value: float) -> None:
        """Remember one round's value."""
        self.values.setdefault(metric, []).append(round(value, 6))


Results = dict[str, Result]


def load(path: Path) -> Results:
    """The results in a file, by case; raises ResultsError."""
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["format"] != FORMAT:
            raise ResultsError(f"{path} has format {document['format']}, not {FORMAT}: measure again.")
        return {name: _result(fields) for name, fields in document["cases"].items()}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ResultsError(f"{path} cannot be read as results of a benchmark: {exc!r}") from exc


def _result(fields: dict[str, Any]) -> Result:
    series = {name: [(x, y) for x, y in points] for name, points in fields["series"].items()}
    return Result(**{**fields, "series": series})


def save(path: Path, results: Results) -> None:
    """Put these into the file, each in place of the same case's older result; other cases stay."""
    kept = load(path) if path.exists() else {}
    cases = {name: asdict(result) for name, result in sorted({**kept, **results}.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"format": FORMAT, "cases": cases}, indent=1) + "\n")
