"""``.venv`` and the Python packages in it."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from programs import die, free_mb, output, run, say
from stamps import VENV, is_fresh, stamp, sum_of

PYTHON = VENV / "bin" / "python"
FIRST_RUN_MB = 1500


def make_venv() -> None:
    # bin/setup takes another Python where .venv belongs to another place or its Python will not do any more.
    if is_fresh("venv", str(Path.cwd())) and output(PYTHON, "-c", "import sys; print(sys.version)") == sys.version:
        return
    if free_mb() < FIRST_RUN_MB:
        die(f"disk full: {free_mb()} MB free in {Path.cwd()}, the first run needs {FIRST_RUN_MB} MB.")
    if not find_spec("venv") or not find_spec("ensurepip"):
        die(f"{sys.executable} has no venv module; on Debian: apt install python3-venv.")
    say(f"making .venv with Python {sys.version.split()[0]}")
    if VENV.is_symlink():
        VENV.unlink()
    shutil.rmtree(VENV, ignore_errors=True)
    run("making .venv", sys.executable, "-m", "venv", VENV)
    stamp("venv", str(Path.cwd()))


def install_packages(name: str, *, beside: str = "") -> None:
    """What is in the file of this name; ``beside`` names one that it reads."""
    files = [Path(f"{each}.txt") for each in (name, beside) if each]
    made_from = sum_of(*files)
    if is_fresh(name, made_from):
        return
    say(f"installing the packages of {name}.txt")
    quietly = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "2")
    run("installing Python packages", PYTHON, "-m", "pip", "install", *quietly, "-r", f"{name}.txt")
    stamp(name, made_from)
