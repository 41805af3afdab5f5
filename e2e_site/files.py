"""Files that are either as they were or as they shall be, whatever happens in between."""

import os
import shutil
from pathlib import Path


def write_atomically(path: Path, text: str, *, mode: int = 0o644, owner: str | None = None) -> None:
    """Put ``text`` into the file at ``path``, in place of what was there; it is on the disk when this returns.

    A reader sees the old text or the new one, and never a file with more rights than ``mode`` or, where ``owner`` names
    a user, another owner. Two writers at once need a lock: both write ``….new`` beside the file first.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            if owner is not None:
                shutil.chown(new, owner, owner)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    _keep_names(path.parent)


def _keep_names(directory: Path) -> None:
    """Have the disk know which names stand for which files of a directory by now."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
