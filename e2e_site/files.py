"""Files that are either as they were or as they shall be, whatever happens in between."""

import os
from pathlib import Path


def write_atomically(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Put ``text`` into the file at ``path``, in place of what was there, with this mode; on the disk when it returns.

    Another program sees the old text or the new one. The file beside it that is written first is named ``….new``.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
