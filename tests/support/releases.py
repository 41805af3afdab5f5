"""The schema files of each release, kept as they were: ``releases/VERSION.zip``.

From a release on its ``V…`` files are frozen, and a database that it made has to be brought up to date by any later
version. ``python -m tests.support.releases VERSION`` keeps those of now, once, when a version is released.
"""

import sys
import zipfile
from pathlib import Path

from tests.support.clusters import CHECKOUT

FOLDER = Path(__file__).with_name("releases")
MIGRATIONS = CHECKOUT / "migrations_flyway"
CONFIG = "flyway.conf"


def releases() -> list[Path]:
    """Oldest first."""
    return sorted(FOLDER.glob("*.zip"), key=lambda file: [int(part) for part in file.stem.split(".")])


def files_of(release: Path) -> dict[str, bytes]:
    """Its migrations by their names."""
    with zipfile.ZipFile(release) as kept:
        names = [name for name in kept.namelist() if name.endswith(".sql")]
        return {Path(name).name: kept.read(name) for name in names}


def keep(version: str) -> Path:
    """Raises FileExistsError where that version is kept already."""
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{version}.zip"
    with zipfile.ZipFile(file, "x", zipfile.ZIP_DEFLATED) as kept:
        for path in [CHECKOUT / CONFIG, *sorted(MIGRATIONS.glob("*.sql"))]:
            # With a time of its own it would be another file each time.
            kept.writestr(zipfile.ZipInfo(str(path.relative_to(CHECKOUT))), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return file


if __name__ == "__main__":
    print(f"{keep(sys.argv[1])} is kept: commit it.")  # noqa: T201 — its answer
