"""bench/releases: the programs of each release, for workers of it beside new ones."""

import re
import zipfile
from pathlib import Path

import pytest

from bench.errors import WrongCallError
from bench.releases.kept import BESIDE, FOLDER, releases, unpack
from tests.support import releases as schemas
from tests.support.clusters import CHECKOUT


def test_each_release_whose_schema_is_kept_has_its_programs() -> None:
    assert releases() == [file.stem for file in schemas.releases()]


@pytest.mark.parametrize("version", releases())
def test_it_is_what_was_released_and_no_page(version: str) -> None:
    with zipfile.ZipFile(FOLDER / f"{version}.zip") as kept:
        names = set(kept.namelist())
        text = kept.read("e2e_site/__init__.py").decode()
        assert {
            name: kept.read(name) for name in names if name.endswith(".sql") and name.startswith("migrations_")
        } == {
            f"migrations_flyway/{name}": content
            for name, content in schemas.files_of(schemas.FOLDER / f"{version}.zip").items()
        }
    assert re.findall(r'__version__ = "(.*)"', text) == [version]
    assert {"manage.py", "flyway.conf", "commands/management/commands/runworker.py"} <= names
    assert not [name for name in names if "/templates/" in name or "/static_src/" in name]
    assert (FOLDER / f"{version}.zip").stat().st_size < 1_000_000


@pytest.mark.parametrize("version", releases())
def test_what_watches_its_handlers_is_beside_it(version: str, tmp_path: Path) -> None:
    at = unpack(version, tmp_path)
    assert unpack(version, tmp_path) == at
    assert [path.name for path in tmp_path.iterdir()] == [f"release-{version}"]
    for name in BESIDE:
        assert (at / name).read_bytes() == (CHECKOUT / name).read_bytes()


def test_a_release_that_is_not_kept_is_told(tmp_path: Path) -> None:
    with pytest.raises(WrongCallError, match=r"Release 9\.9\.9 is not kept; there is 0\.1\.0"):
        unpack("9.9.9", tmp_path)
