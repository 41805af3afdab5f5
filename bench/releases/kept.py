"""The programs of each release, kept as they were: ``bench/releases/VERSION.zip``, for workers of it beside new ones.

    python -m bench.releases.kept 0.1.0 COMMIT      keeps what Git has of that commit, once, when a version is released
    unpack("0.1.0", folder) ─► folder/manage.py     as it was, and what watches its handlers beside it

It runs with the libraries that are installed now: a release that needs others says so when it starts.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from bench.errors import WrongCallError

FOLDER = Path(__file__).parent
CHECKOUT = FOLDER.parent.parent
# What `runworker` needs. Pages, styles and figures are left out.
PARTS = ("manage.py", "flyway.conf", "migrations_flyway", "bench", "commands", "e2e_site", "settings_app")
LEFT_OUT = tuple(f":(exclude,glob){folder}/**" for folder in ("**/templates", "**/static_src", "bench/results"))
# Ours, put beside the release's: it has no ``--around``, and its ``--handlers`` names `bench.releases.watch`.
WATCH = "bench.releases.watch"
BESIDE = (
    "bench/ledgers/__init__.py", "bench/ledgers/executions.py", "bench/releases/__init__.py", "bench/releases/watch.py",
    "bench/witness.py", "commands/rules/rolls.py",
)  # fmt: skip


def releases() -> list[str]:
    """The versions that are kept, oldest first."""
    names = (file.stem for file in FOLDER.glob("*.zip"))
    return sorted(names, key=lambda name: [int(part) for part in name.split(".")])


def unpack(version: str, folder: Path) -> Path:
    """The folder of its ``manage.py``, in ``folder``; made unless it is there. Raises WrongCallError."""
    at = folder / f"release-{version}"
    if at.exists():
        return at
    if version not in releases():
        raise WrongCallError(f"Release {version} is not kept; there is {', '.join(releases())}.")
    unfinished = at.with_name(f"{at.name}.unfinished")
    with zipfile.ZipFile(FOLDER / f"{version}.zip") as kept:
        kept.extractall(unfinished)
    for name in BESIDE:
        target = unfinished / name
        if target.exists():
            raise WrongCallError(f"Release {version} has its own {name}: let it be watched by --around.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((CHECKOUT / name).read_bytes())
    unfinished.rename(at)
    return at


def keep(version: str, commit: str) -> Path:
    """Raises FileExistsError where that version is kept already."""
    file = FOLDER / f"{version}.zip"
    if file.exists():
        raise FileExistsError(file)
    command = ["git", "archive", "--format=zip", f"--output={file}", commit, "--", *PARTS, *LEFT_OUT]
    subprocess.run(command, check=True, cwd=CHECKOUT)  # noqa: S603  # a person calls it
    return file


if __name__ == "__main__":
    print(f"{keep(*sys.argv[1:])} is kept: commit it.")  # noqa: T201  # its answer
