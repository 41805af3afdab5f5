"""The report of a run as a file, and the microscope, in a real browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bench.report import html
from tests.support import documents
from tests.support.bus import HandBus, outcome
from tests.support.visitor import COLOURS, Visitor


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report on disk."""
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(documents.full()), "utf-8")
    return path.as_uri()


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_file_opens_from_disk_and_axe_finds_nothing_serious(
    system: str, file: str, visit: Callable[..., Visitor]
) -> None:
    visitor = visit(system=system)
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.open(file)
    assert asked == [file]
    for fold in visitor.page.locator("details:not([open])").all()[:12]:
        fold.evaluate("node => { node.open = true; }")
    assert not (visitor.barriers() if system == "light" else visitor.barriers(*COLOURS))
    visitor.narrow()
    assert not visitor.is_too_wide()


def test_a_link_to_a_command_shows_its_story(file: str, visit: Callable[..., Visitor]) -> None:
    page = visit(script=False).open(file)
    story = page.locator(f"#story-{documents.command(900)}")
    expect(story.get_by_text("It was acknowledged, and is not there.")).to_be_hidden()
    page.locator("#rule-L1").get_by_role("link").click()
    expect(story.get_by_text("It was acknowledged, and is not there.")).to_be_visible()


def test_the_microscope_is_reached_from_the_command_and_has_no_barriers(
    bus: HandBus, visit: Callable[..., Visitor]
) -> None:
    sent = bus.send({"type": "fail_transient"})
    attempt = bus.begin(sent)
    bus.finish(outcome(sent, attempt, "transient", delay_ms=600_000))
    visitor = visit()
    page = visitor.open(f"/commands/{sent}/")
    page.get_by_role("link", name="Look closer").click()
    page.get_by_role("link", name="Attempt 1", exact=True).click()
    expect(page.locator("#attempts-title")).to_have_text("Attempt 1 close up")
    page.get_by_text("The same as a table").click()
    assert not visitor.barriers_in_both_themes()
    visitor.narrow()
    assert not visitor.is_too_wide()
