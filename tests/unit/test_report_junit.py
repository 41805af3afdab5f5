"""A run as JUnit's XML."""

from xml.etree import ElementTree

from bench.report import html, junit, markdown
from bench.report.document import Document
from bench.scenarios.model import RunVerdict
from tests.support import documents


def suite_of(document: Document) -> ElementTree.Element:
    suites = ElementTree.fromstring(junit.render(document))  # noqa: S314  # our own text
    (suite,) = suites
    assert suites.attrib.items() <= suite.attrib.items()
    return suite


def outcomes(suite: ElementTree.Element, group: str) -> dict[str, str]:
    """By the first word of each case's name: passed, or what it is and why."""
    found = {}
    for case in suite.findall("testcase"):
        if case.attrib["classname"].endswith(f".{group}"):
            told = [one for one in case if one.tag in ("failure", "skipped")]
            found[case.attrib["name"].split(" ")[0]] = (
                f"{told[0].tag}: {told[0].attrib['message']}" if told else "passed"
            )
    return found


def test_each_invariant_fault_and_expectation_is_a_case() -> None:
    suite = suite_of(documents.full())
    assert suite.attrib["name"] == "kill"
    assert outcomes(suite, "invariants") == {
        "L1": "failure: 1 violation", "V03": "failure: 40 violations", "V11": "passed",
        "V15": "skipped: not decided: it never became quiet", "V16": "skipped: not asked: no batch there",
    }  # fmt: skip
    assert outcomes(suite, "faults") == {
        "F1": "failure: not so: at most 3 are done twice (4)",
        "F9": "skipped: not told: nothing that was acknowledged is lost",
        "F13": "skipped: it did not fire: no message was there",
        "odd_text": "skipped: whether it fired is not told",
    }
    assert outcomes(suite, "expectations") == {
        "at": "failure: 1", "end": "passed", "it": "skipped: not told: nothing ended after the fault",
    }  # fmt: skip
    assert outcomes(suite, "sometimes") == {
        "a": "passed", "two": "skipped: never seen: 1 did", "every": "skipped: not told",
    }  # fmt: skip
    assert outcomes(suite, "oracle") == {"every": "failure: 1 lost, 2 not as expected, 2 not final in time"}
    assert outcomes(suite, "run") == {"comes": "failure: FAIL: 1 command is lost (6 more)."}


def test_the_suite_counts_its_cases_and_says_how_to_run_it_again() -> None:
    suite = suite_of(documents.full())
    cases = suite.findall("testcase")
    assert suite.attrib["tests"] == str(len(cases)) == "17"
    assert suite.attrib["failures"] == str(len(suite.findall("testcase/failure")))
    assert suite.attrib["skipped"] == str(len(suite.findall("testcase/skipped")))
    properties = {one.attrib["name"]: one.attrib["value"] for one in suite.findall("properties/property")}
    assert properties["command"] == "manage.py bench run kill --seed 42"
    assert properties["version PGMQ"] == "1.5.1"


def test_samples_of_violations_are_in_the_text_of_the_failure() -> None:
    texts = [failure.text or "" for failure in suite_of(documents.full()).findall("testcase/failure")]
    assert any(f"{documents.command(2)} SRRCC ends twice" in text for text in texts)


def test_known_deviations_pass_with_a_property() -> None:
    document = documents.full()
    document.verdicts = {"MATCH": 998, "KNOWN": 2}
    suite = suite_of(document)
    assert outcomes(suite, "oracle") == {"every": "passed"}
    (oracle,) = [case for case in suite.findall("testcase") if case.attrib["classname"].endswith(".oracle")]
    properties = {one.attrib["name"]: one.attrib["value"] for one in oracle.findall("properties/property")}
    assert properties == {"known": "2", "deviations": "D2"}


def test_a_scenario_that_is_there_to_fail_passes_where_it_fails() -> None:
    document = documents.full()
    document.head.expected_verdict = RunVerdict.FAIL
    suite = suite_of(document)
    assert suite.attrib["failures"] == "0"
    assert outcomes(suite, "run") == {"comes": "passed"}
    broken = [
        one.attrib["value"] for one in suite.findall("testcase/properties/property") if one.attrib["name"] == "broken"
    ]
    assert "40 violations" in broken


def test_a_run_that_says_nothing_is_skipped_and_not_passed() -> None:
    suite = suite_of(documents.empty())
    assert outcomes(suite, "run") == {"comes": "skipped: It was canceled."}
    assert outcomes(suite, "oracle") == {"every": "skipped: no command was compared"}


def test_what_xml_cannot_hold_is_written_so_that_it_can_be_read() -> None:
    suite = suite_of(documents.hostile())
    assert "<script>alert(1)</script>" in suite.attrib["name"]
    assert "\\u0007" in suite.attrib["name"]


def test_an_invariant_that_is_broken_as_its_scenario_knows_passes_and_says_so() -> None:
    document = documents.full()
    document.scenario = {"expect": {"known": ["D4"]}}
    suite = suite_of(document)
    found = outcomes(suite, "invariants")
    assert (found["L1"], found["V03"]) == ("failure: 1 violation", "passed")
    known = [
        one.attrib["value"] for one in suite.findall("testcase/properties/property") if one.attrib["name"] == "known"
    ]
    assert "D4: 40" in known
    assert "broken 40 times, as known (D4)" in markdown.render(document)
    assert "Known: D4" in html.render(document)
