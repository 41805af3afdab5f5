"""docs/architecture.md: the module map names every module, and no other."""

import re
from collections.abc import Iterator

from tests.support.clusters import CHECKOUT

PAGE = CHECKOUT / "docs" / "architecture.md"
PACKAGES = ("bench", "commands", "e2e_site", "settings_app")


def mapped() -> Iterator[str]:
    """The files that the map names: below each line ``folder/`` indented lines ``one.py, two.py   what they do``."""
    (block,) = re.findall(r"<!-- module map -->\n```\n(.*?)```", PAGE.read_text(), re.DOTALL)
    folder = ""
    for line in block.splitlines():
        if found := re.match(r"(\S+/)(?:\s|$)", line):
            folder = found[1]
        elif found := re.match(r"  (\S.*?)(?:\s{2,}|$)", line):
            yield from (f"{folder}{name}" for name in found[1].split(", "))


def test_the_map_names_every_module_once() -> None:
    there = {
        path.relative_to(CHECKOUT).as_posix()
        for package in PACKAGES
        for path in (CHECKOUT / package).rglob("*.py")
        if path.name != "__init__.py" and "node_modules" not in path.parts
    }
    named = [name for name in mapped() if name.endswith(".py")]
    assert len(named) == len(set(named))
    assert (set(named) - there, there - set(named)) == (set(), set())
