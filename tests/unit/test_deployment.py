"""docs/deployment/: the units call what there is, and give it the time that it takes; limits are the web server's."""

import re
import shlex
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class

from commands.worker.fleet import MARGIN_S
from commands.worker.process import GOODBYE_S
from e2e_site import web_server
from tests.support.clusters import CHECKOUT

FILES = CHECKOUT / "docs" / "deployment"
UNITS = sorted(FILES.glob("*.service"))
CALL = re.compile(r"""^ExecStart=/bin/sh -c 'exec "\$\$\(pwd -P\)/\.venv/bin/python" manage\.py (.*)'$""", re.MULTILINE)


def called(unit: str) -> tuple[str, dict[str, Any]]:
    """The management command that a unit calls, and its options as the command reads them."""
    (line,) = CALL.findall((FILES / unit).read_text())
    name, *words = shlex.split(line.replace("%i", "test"))
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    return name, vars(parser.parse_args(words))


def setting(unit: str, name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", (FILES / unit).read_text(), re.MULTILINE)
    return str(value)


@pytest.mark.parametrize("unit", [unit.name for unit in UNITS])
def test_a_unit_calls_a_command_with_options_that_it_has(unit: str) -> None:
    assert called(unit)[0] in {"serve", "runworker", "prune"}


def test_workers_have_the_time_to_drain_and_are_told_once() -> None:
    _, options = called("commandbus-worker@.service")
    assert options["processes"] > 1
    assert setting("commandbus-worker@.service", "KillMode") == "mixed"
    assert int(setting("commandbus-worker@.service", "TimeoutStopSec")) > options["grace"] + MARGIN_S + GOODBYE_S


def test_the_environment_names_variables_that_there_are() -> None:
    named = re.findall(r"^(\w+)=", (FILES / "site.env").read_text(), re.MULTILINE)
    table = (CHECKOUT / "docs" / "configuration.md").read_text()
    assert [name for name in named if f"`{name}`" not in table] == []


def test_the_proxies_take_bodies_as_large_as_the_web_server_does() -> None:
    assert web_server._LARGEST_BODY == 4 * 2**20
    assert "client_max_body_size 4m;" in (FILES / "nginx.conf").read_text()
    assert "max_size 4MiB" in (FILES / "Caddyfile").read_text()


def test_each_file_is_said_to_be_there() -> None:
    text = (CHECKOUT / "docs" / "deployment.md").read_text()
    assert [file.name for file in FILES.iterdir() if f"(deployment/{file.name})" not in text] == []
