"""The HTML file of a run: whole in itself, without scripts, well formed, and told in the order of the page."""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string

from bench.report import html
from bench.report.document import CommandVerdict, Document, RuleWord
from bench.scenarios.model import RunVerdict
from tests.support import documents

ALL = [documents.full, documents.empty, documents.short, documents.hostile, documents.capacity]
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """What a parser makes of a file: its tags with their attributes, what stands outside of style, and its drawings."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.unclosed: list[str] = []
        self.feed(text)
        self.close()
        self.drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        self.style = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed, f"</{tag}> closes nothing"
        assert self.unclosed.pop() == tag
        if tag in ("dt", "dd", "th", "td", "li", "p"):
            self.text += " "

    def handle_data(self, data: str) -> None:
        if "style" not in self.unclosed:
            self.text += data

    def values(self, *names: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags for name in names if name in attributes]


def page_of(document: Document) -> Page:
    return Page(html.render(document))


@cache
def page_made(make: Callable[[], Document]) -> Page:
    """Of a document that no test changes."""
    return page_of(make())


@pytest.mark.parametrize("make", ALL)
def test_it_is_one_file_without_scripts_that_asks_for_nothing(make: Callable[[], Document]) -> None:
    page = page_made(make)
    names = Counter(tag for tag, _ in page.tags)
    assert not {"script", "img", "iframe", "object", "embed", "link", "base", "form"} & set(names)
    assert [
        name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"
    ] == []
    addresses = page.values("href", "src", "xlink:href", "action", "srcset")
    assert [address for address in addresses if not address.startswith("#")] == []
    assert not re.search(r"url\(|@import|https?:", page.style)
    assert (names["html"], names["title"], names["h1"], page.unclosed) == (1, 1 + len(titles(page)), 1, [])


def titles(page: Page) -> list[str]:
    return [title for drawing in page.drawings for title in re.findall(r"<title", drawing)]


@pytest.mark.parametrize("make", ALL)
def test_its_drawings_are_well_formed_and_their_numbers_are_numbers(make: Callable[[], Document]) -> None:
    for drawing in page_made(make).drawings:
        ElementTree.fromstring(drawing.replace("&nbsp;", " "))  # noqa: S314  # our own text
        assert not re.search(r'="[^"]*\b(nan|inf|None)\b', drawing)


@pytest.mark.parametrize("make", ALL)
def test_ids_are_there_once_and_every_link_leads_to_one(make: Callable[[], Document]) -> None:
    page = page_made(make)
    ids = Counter(page.values("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    assert {address[1:] for address in page.values("href")} <= set(ids)
    assert {name for names in page.values("aria-labelledby") for name in names.split()} <= set(ids)


def test_what_comes_from_outside_is_shown_and_does_nothing() -> None:
    text = html.render(documents.hostile())
    assert "<script" not in text
    assert "\u202e" not in text
    page = Page(text)
    assert page.text.count("<script>alert(1)</script>") > 50
    assert "\\u202e" in page.text


def test_it_tells_all_in_the_order_of_the_page() -> None:
    page = page_made(documents.full)
    sections = [
        attributes["id"]
        for tag, attributes in page.tags
        if tag in ("section", "details") and attributes.get("class", "").startswith("card") and "id" in attributes
    ]
    assert sections == [
        "verdict", "accounting", "matrix", "rules", "faults", "expectations", "timelines", "swimlane", "latencies",
        "costs", "environment", "fleet", "deviations", "scenario", "behind", "stories",
    ]  # fmt: skip
    told = " ".join(page.text.split())
    for word in (*CommandVerdict, *RuleWord, RunVerdict.FAIL, RunVerdict.PASS):
        assert word.label.lower() in told.lower()
    for text in (
        "1 command is lost (6 more).",
        "Its scenario expects Passed",
        "hold_row did not fire: no message was there",
        "manage.py bench run kill --seed 42",
        "1,010 attempted = 1,000 acknowledged + 6 errors + 4 unknown",
        "1,000 acknowledged = 880 completed + 50 failed + 66 in TSQ + 1 canceled + 2 stuck + 1 lost",
        "12 delivered again 3 done more than once 1 answered more than once",
        "acknowledged, and in no table",
        "SELECT command_id FROM commandbus.command WHERE attempts > max_attempts",
        "F13 hold_row Did not fire planned for 20 s",
        "by signal 9",
        "WARNING lease is short",
        "D2 Still present",
        "D4 Fixed",
        "D7 Not exercised",
        "3,120,000 bytes",
        "machine load before 0.2, 0.3, 0.4",
    ):
        assert text in told


def test_a_sum_that_is_none_is_said() -> None:
    document = documents.full()
    document.accounting.lost = 0
    assert "1,000 acknowledged is not 880 completed" in " ".join(page_of(document).text.split())


def test_a_sender_that_was_late_is_said_beside_the_latencies() -> None:
    assert "generator-limited" not in page_made(documents.full).values("id")
    document = documents.full()
    document.environment["generator_limited"] = "the sender was 63 ms late"
    assert "Generator-limited: the sender was 63 ms late." in " ".join(page_of(document).text.split())


def test_commands_are_listed_in_the_order_of_the_accounting_line() -> None:
    behind = [name for name in page_made(documents.full).values("id") if name.startswith("behind-")]
    assert behind == ["behind-title", "behind-completed", "behind-stuck", "behind-lost", "behind-duplicate_effects"]


def test_a_number_leads_to_its_commands_and_these_to_their_stories() -> None:
    page = page_made(documents.full)
    hrefs = page.values("href")
    assert {"#behind-lost", "#behind-duplicate_effects", "#cell-success-PENDING"} <= set(hrefs)
    assert f"#story-{documents.command(900)}" in hrefs
    assert f"#story-{documents.command(901)}" not in hrefs  # it is not told in full: its id stands there
    assert documents.command(901) in page.text


def test_faults_are_shaded_in_every_timeline_and_over_the_lanes() -> None:
    page = page_made(documents.full)
    shaded = [drawing for drawing in page.drawings if 'class="chart-shade"' in drawing]
    assert len(shaded) == 5
    for drawing in shaded:
        assert drawing.count('class="chart-shade"') == 3  # the one that never began is nowhere
        assert "F9 freeze_server, from 14.0 s to 16.5 s" in drawing


def test_a_search_for_the_knee_is_drawn_with_what_limits_it() -> None:
    page = page_of(documents.capacity())
    assert "2,100 commands per second are kept up, from 2,000 to 2,200 in 2 searches." in page.text
    assert "What limits it: processor of a worker. It was 96 % busy." in page.text
    assert "its sender could not offer it <b>" in page.text
    (drawn,) = [drawing for drawing in page.drawings if "over the rate that was offered" in drawing]
    assert all(name in drawn for name in ("p50", "p99", "limit"))
    assert "Capacity" not in page_of(documents.full()).text


def test_of_a_run_in_which_nothing_happened_it_says_so() -> None:
    told = " ".join(page_made(documents.empty).text.split())
    for text in (
        "It was canceled before its end.", "No command was compared.", "No invariant was checked.",
        "Nothing was broken on purpose.", "No execution is known", "No latency was measured.", "None is told in full.",
    ):  # fmt: skip
        assert text in told


def test_ten_thousand_executions_stay_a_file_that_opens() -> None:
    document = documents.full()
    document.lanes = [
        done.model_copy(
            update={"began_s": done.began_s + 28 * shift, "ended_s": (done.ended_s or done.began_s) + 28 * shift}
        )
        for shift in range(200)
        for done in document.lanes
    ]
    text = html.render(document)
    (lanes,) = [drawing for drawing in Page(text).drawings if "lane-ok" in drawing and "lanes-title" in drawing]
    assert len(document.lanes) > 10_000
    assert len(lanes) < 400_000
    assert "more are not drawn" in text


# -- the same parts as a page ----------------------------------------------------------------------------------------


def part_of_page(document: Document) -> Page:
    return Page(render_to_string("bench/report/_document.html", {"document": document}))


def test_as_a_page_it_has_the_same_parts_and_no_style_of_its_own() -> None:
    part, file = part_of_page(documents.full()), page_made(documents.full)
    assert " ".join(part.text.split()) in " ".join(file.text.split())
    assert not {"style", "script", "html"} & {tag for tag, _ in part.tags}
    assert [name for _, attributes in part.tags for name in attributes if name == "style"] == []


def test_commands_of_the_site_lead_to_their_pages_and_those_of_a_file_nowhere() -> None:
    document = documents.full()
    document.scenario = {"place": "site"}
    hrefs = part_of_page(document).values("href")
    assert f"/commands/{documents.command(901)}/" in hrefs  # it is not told in full
    assert {f"/commands/{documents.command(900)}/", f"/microscope/{documents.command(900)}/"} <= set(hrefs)
    assert all(address.startswith("#") for address in page_of(document).values("href"))
    assert all(address.startswith("#") for address in part_of_page(documents.full()).values("href"))


def test_ids_that_are_none_are_no_addresses() -> None:
    document = documents.hostile()
    document.scenario = {"place": "site"}
    assert all(address.startswith("#") for address in part_of_page(document).values("href"))
