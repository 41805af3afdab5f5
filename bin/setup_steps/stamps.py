"""What is up to date: stamps remember from what each step was made."""

import hashlib
from pathlib import Path

VENV = Path(".venv")


def sum_of(*places: Path) -> str:
    """One number for the content of all these files and directories."""
    files = {file for place in places for file in (place.rglob("*") if place.is_dir() else [place]) if file.is_file()}
    whole = hashlib.sha256()
    for file in sorted(files):
        if file.suffix != ".pyc":
            whole.update(f"{file}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def is_fresh(step: str, made_from: str) -> bool:
    """Whether the stamp of this step says that it was made from just that."""
    try:
        return (VENV / f"stamp-{step}").read_text() == f"{made_from}\n"
    except FileNotFoundError:
        return False


def stamp(step: str, made_from: str) -> None:
    (VENV / f"stamp-{step}").write_text(f"{made_from}\n")
