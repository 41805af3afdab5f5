"""What the embedded PostgreSQL's cluster has to remember: one small JSON file, readable by its owner alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e_site.embedded.home import EmbeddedError, locked
from e2e_site.files import write_atomically


@dataclass(frozen=True)
class StateFile:
    """``state.json`` in `directory`. Reading writes nothing; change it under `lock` only."""

    directory: Path

    @property
    def path(self) -> Path:
        return self.directory / "state.json"

    def read(self) -> dict[str, Any]:
        """Empty where there is none."""
        try:
            state: dict[str, Any] = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            raise EmbeddedError(f"{self.path} cannot be read: {exc}") from exc
        return state

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the directory's lock file, both made if need be."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.directory / "lock"):
            yield

    def add(self, **values: object) -> dict[str, Any]:
        """Remember those of `values` that are not known yet; answers the whole state."""
        return self._write({**values, **self.read()})

    def set(self, **values: object) -> dict[str, Any]:
        """Remember `values` in place of what was known."""
        return self._write({**self.read(), **values})

    def _write(self, state: dict[str, Any]) -> dict[str, Any]:
        if state != self.read():
            write_atomically(self.path, json.dumps(state, indent=1), mode=0o600)
        return state
