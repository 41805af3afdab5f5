"""What a management command imports before it does anything: each of them, and each worker process, waits for that."""

import subprocess
import sys

import pytest

from tests.support.clusters import CHECKOUT
from tests.support.programs import inherited_environment


@pytest.mark.parametrize("name", ["runworker", "send"])
def test_a_command_does_not_wait_for_what_only_the_web_server_needs(name: str) -> None:
    text = f"""
import sys, django
django.setup()
from django.core.management import load_command_class
load_command_class("commands", "{name}")
print(*sorted({{"ninja", "pydantic", "jinja2"}} & set(sys.modules)))
"""
    told = subprocess.run(
        [sys.executable, "-c", text],
        cwd=CHECKOUT,
        env=inherited_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout.split() == []
