"""docs/: every option of our commands, every variable and every setting has its line, and every link its target."""

import re
import struct
import tomllib
from argparse import SUPPRESS, Action
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from commands.api.root import api
from e2e_site import __version__
from e2e_site.command import SiteCommand, parsers
from settings_app.values import NAMES, SETTINGS
from tests.support.clusters import CHECKOUT

DOCS = CHECKOUT / "docs"
OURS = sorted(name for name, app in get_commands().items() if app in {"bench", "commands", "e2e_site"})
DJANGOS = {option for action in BaseCommand().create_parser("", "")._actions for option in action.option_strings}
# Read by settings.py itself, or by what bin/demo calls; in words of capitals.
READ = re.compile(r"""(?:environment\.\w+|os\.environ\.get)\(\s*"([A-Z_]+)\"""")


def section(page: Path, name: str) -> str:
    """What stands below the one heading ``## name``."""
    (text,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", page.read_text(), re.DOTALL | re.MULTILINE)
    return str(text)


def actions_of(command: BaseCommand, name: str) -> list[Action]:
    """Its options, and those of each of its actions."""
    return [action for parser in parsers(command.create_parser("manage.py", name)) for action in parser._actions]


@pytest.mark.parametrize("name", OURS)
def test_every_option_of_a_management_command_is_in_its_section(name: str) -> None:
    text = section(DOCS / "commands.md", name)
    command = load_command_class(get_commands()[name], name)
    if not isinstance(command, SiteCommand):
        return  # Django's, whose options are Django's
    for action in actions_of(command, name):
        if action.help == SUPPRESS or DJANGOS & set(action.option_strings):
            continue
        for option in action.option_strings:
            assert re.search(rf"`{option}[` ]", text), f"{option} is missing"
        for choice in action.choices or ():
            assert re.search(rf"\b{choice}\b", text), f"{choice} is missing"


@pytest.mark.parametrize("name", OURS)
def test_a_section_names_no_option_that_there_is_not(name: str) -> None:
    named = set(re.findall(r"`(--[a-z][a-z0-9-]*)", section(DOCS / "commands.md", name)))
    command = load_command_class(get_commands()[name], name)
    there = {option for action in actions_of(command, name) for option in action.option_strings}
    assert named <= there


def test_every_environment_variable_that_is_read_is_in_the_table() -> None:
    files = [CHECKOUT / "e2e_site" / name for name in ("settings.py", "address.py")]
    read = {name for file in files for name in READ.findall(file.read_text())}
    assert {"DATABASE_URL", "DEBUG", "LOG_LEVEL", "PORT", "SECRET_KEY"} <= read
    rows = re.findall(r"^\| (`.*?) \|", section(DOCS / "configuration.md", "Environment variables"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    of_scripts = {"PYTHON", "CHROMIUM"}  # of bin/setup and the browser tests
    assert named == read | of_scripts


def test_every_setting_is_in_the_table_with_its_range_and_default() -> None:
    text = section(DOCS / "configuration.md", "Settings")
    rows = {
        cells[0].strip("`"): cells
        for cells in re.findall(r"^\| (`\w+`) \| (.*?) ?\| (.*?) \| (.*?) \|", text, re.MULTILINE)
    }
    assert set(rows) == set(NAMES)
    for name, setting in SETTINGS.items():
        assert rows[name][1:] == (setting.unit, setting.range_text, f"{setting.default:,}")


PAGES = sorted([CHECKOUT / "README.md", *DOCS.rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def anchors(file: Path) -> set[str]:
    """The names under which GitHub finds the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_picture_of_the_console_is_shown_whole_and_small() -> None:
    shown = set(re.findall(r"\(images/(console-[a-z-]+\.png)\)", (DOCS / "console.md").read_text()))
    assert {file.name for file in (DOCS / "images").glob("console-*.png")} == shown
    for name in shown:
        picture = (DOCS / "images" / name).read_bytes()
        assert struct.unpack_from(">II", picture, 16) == (1440, 900)
        assert len(picture) < 150_000


def test_every_operation_of_the_api_that_is_named_is_there() -> None:
    named = re.findall(r"^\| `(GET|POST|PUT|DELETE) (/\S*)`", (DOCS / "api.md").read_text(), re.MULTILINE)
    paths = api.get_openapi_schema()["paths"]
    there = {(method.upper(), path.removeprefix("/api/v1")) for path, methods in paths.items() for method in methods}
    assert named
    assert set(named) <= there


def test_the_version_is_one() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    assert project["project"]["version"] == __version__
