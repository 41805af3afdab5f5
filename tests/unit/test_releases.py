"""What was released stays: ``V…`` files as they were, and a release for the newest version of the changelog."""

import re

import pytest

from tests.support.clusters import CHECKOUT
from tests.support.releases import MIGRATIONS, files_of, releases

VERSIONED = re.compile(r"V\d+__\w+\.sql")


@pytest.mark.parametrize("release", releases(), ids=lambda file: file.stem)
def test_the_schema_files_of_a_release_are_frozen(release: object) -> None:
    kept = {name: text for name, text in files_of(release).items() if VERSIONED.fullmatch(name)}  # type: ignore[arg-type]
    assert kept
    changed = [name for name, text in kept.items() if (MIGRATIONS / name).read_bytes() != text]
    assert changed == [], "a change of the schema is a V file of its own"


def test_the_newest_version_of_the_changelog_is_kept() -> None:
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (CHECKOUT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert [file.stem for file in releases()] == versions[::-1]
