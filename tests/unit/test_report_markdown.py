"""A run as a summary in Markdown."""

import re

from bench.report import markdown
from tests.support import documents


def test_it_tells_the_verdict_first_then_the_numbers() -> None:
    text = markdown.render(documents.full())
    lines = text.splitlines()
    assert lines[0] == "## kill: FAIL"
    assert lines[2] == r"1 command is lost \(6 more\)."
    assert "Its scenario expects **PASS**." in lines
    assert "- The same again: `manage.py bench run kill --seed 42`" in lines
    assert "1,010 attempted = 1,000 acknowledged + 6 errors + 4 unknown  " in lines
    (success,) = [line for line in lines if line.startswith("| success |")]
    assert success == (
        "| success | 700 | Completed, attempts 1 | 697 Completed (attempts 1: 685, 2: 11, 3: 1); "
        "**not expected** 2 Pending (attempts 0: 2); **not expected** 1 ABSENT |"
    )
    assert "**Invariants**: 1 holds, 2 broken, 1 not decided, 1 not asked" in lines
    assert any(line.startswith("- **V03 broken 40 times**") for line in lines)
    assert any(line.startswith(r"| F1 kill\_worker | yes |") for line in lines)
    assert any(line.startswith("| due to end | 1,000 | 18 ms |") for line in lines)


def test_every_row_of_a_table_has_the_columns_of_its_head() -> None:
    for document in (documents.full(), documents.hostile()):
        columns = None
        for line in markdown.render(document).splitlines():
            if not line.startswith("|"):
                columns = None
                continue
            count = len(re.findall(r"(?<!\\)\|", line))
            columns = columns or count
            assert count == columns, line


def test_texts_from_outside_mean_what_they_say() -> None:
    text = markdown.render(documents.hostile())
    assert not re.search(r"(?<!\\)<(script|img|/style)", re.sub(r"`[^`\n]*`", "", text))
    assert "\u202e" not in text


def test_a_run_in_which_nothing_happened_is_short() -> None:
    assert len(markdown.render(documents.empty()).splitlines()) < 15
