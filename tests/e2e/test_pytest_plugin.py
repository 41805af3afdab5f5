"""bench/pytest_plugin.py in a project of its own: the example of docs/bench-pytest.md, as it stands there."""

import re
import sys
from pathlib import Path

import pytest

from tests.support.clusters import CHECKOUT
from tests.support.programs import StartedProgram, inherited_environment

WITHIN_S = 110
WRONG = "scenario: wrong\nabout: It cannot be read.\ncommands: 1\nmix: {sucess: 1}\n"
FAILS = """\
scenario: fails
about: It expects what does not come.
commands: 5
mix: {success: 1}
expect: {verdict: FAIL}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Another project, with the files of the example."""
    text = (CHECKOUT / "docs" / "bench-pytest.md").read_text("utf-8")
    for name, content in re.findall(r"```\w+\n# (\S+)\n(.*?)```", text, re.DOTALL):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    assert {path.name for path in tmp_path.iterdir()} == {"shop", "shop.bench.yaml", "test_shop.py"}
    return tmp_path


def pytest_in(folder: Path, url: str, *words: str) -> tuple[int, str]:
    environment = inherited_environment(DATABASE_URL=url, PYTHONPATH=str(CHECKOUT), DJANGO_SETTINGS_MODULE="shop.none")
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]  # of the tests that run now
    command = [sys.executable, "-m", "pytest", "-p", "bench.pytest_plugin", "-p", "no:django", "-p", "no:randomly"]
    program = StartedProgram(
        "pytest", [*command, "-p", "no:cacheprovider", *words], environment=environment, directory=folder
    )
    try:
        return program.wait(WITHIN_S), program.output
    finally:
        program.kill()


def test_the_example_passes(shop: Path, database_url: str) -> None:
    code, output = pytest_in(shop, database_url, "-v")
    assert code == 0, output
    for name in ("shop.bench.yaml::shop", "test_shop.py::test_greetings_complete", "::test_a_greeting_is_polite"):
        assert re.search(rf"{re.escape(name)} PASSED", output), output


def test_what_fails_and_what_cannot_be_read_says_why(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "fails.bench.yaml").write_text(FAILS)
    (tmp_path / "wrong.bench.yaml").write_text(WRONG)
    code, output = pytest_in(tmp_path, database_url, "--continue-on-collection-errors")
    assert code == 1, output
    assert "wrong.bench.yaml:4: mix.sucess: is no behavior; there is business_rule," in output
    assert "PASS, and FAIL was expected.\nPASS fails, seed 1, " in output
    assert re.search(r"again: manage.py bench replay [0-9]+\n", output)
    assert "Traceback" not in output
