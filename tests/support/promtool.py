"""promtool, Prometheus's own check of what it is given: on PATH, or where bin/setup puts it."""

import os
import shutil
import subprocess

import pytest

from tests.support.clusters import CHECKOUT


def promtool(*arguments: str, text: str = "") -> str:
    """What it says; fails with that where it finds something wrong, skips where there is none."""
    program = shutil.which("promtool", path=f"{os.environ['PATH']}:{CHECKOUT / '.data' / 'tools'}")
    if program is None:
        why = "ALERT RULES NOT TESTED: there is no promtool; run bin/setup --promtool."
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=False, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
