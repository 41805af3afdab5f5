"""The troubleshooting queue: its filter as form, address and words, what is said of commands left alone, sparklines."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict

from commands.forms.parked import FilterForm, in_words
from commands.reads.parked import place_of, place_text
from commands.rules.operating import commands_text, left_text
from commands.rules.words import Status
from e2e_site.charts.sparkline import HEIGHT, LEAST, sparkline

NOW = datetime(2026, 5, 1, 14, 2, 3, 123456, tzinfo=UTC)


def form(query: str) -> FilterForm:
    made = FilterForm(QueryDict(query))
    assert made.is_valid(), made.errors
    return made


def test_an_empty_filter_chooses_all_until_now() -> None:
    chosen = form("code=&text=+&other=1").chosen(NOW)
    assert (chosen.until, chosen.since, chosen.code, chosen.behavior, chosen.text) == (NOW, None, None, None, "")
    assert not form("code=&other=1").is_filtered


def test_none_stands_for_those_without() -> None:
    chosen = form("code=(none)&error_type=(none)&behavior=(none)&text=(none)").chosen(NOW)
    assert (chosen.code, chosen.error_type, chosen.behavior, chosen.text) == ("", "", "", "(none)")


@pytest.mark.parametrize(("to", "until"), [("2026-04-01T00:00", datetime(2026, 4, 1, tzinfo=UTC)), ("2027-01-01", NOW)])
def test_the_end_is_the_earlier_of_what_is_typed_and_when_it_was_looked_at(to: str, until: datetime) -> None:
    assert form(f"to={to}").chosen(NOW).until == until


def test_a_code_is_met_as_it_is_with_its_blanks() -> None:
    chosen = form("code=+E+&text=+E+")
    assert (chosen.chosen(NOW).code, chosen.chosen(NOW).text, chosen.values()["code"]) == (" E ", "E", " E ")


def test_a_word_of_another_program_can_be_chosen_like_ours() -> None:
    assert 'value="theirs" selected' in str(form("behavior=theirs")["behavior"])


def test_a_filter_in_words() -> None:
    query = "code=E1&error_type=(none)&behavior=timeout&text=%E2%80%AEx&from=2026-05-01T10:00&to=2026-05-02T10:00"
    assert in_words(form(query).values()) == (
        "error code E1, no error type, behavior timeout, message contains “\\u202ex”, "
        "parked from 2026-05-01T10:00 UTC, parked to 2026-05-02T10:00 UTC"
    )
    assert in_words({}) == ""


def test_a_place_in_the_list_is_read_as_it_was_written() -> None:
    _, command_id = place_of("")
    assert place_of(place_text(NOW, command_id)) == (NOW, command_id)


LEFT = (
    ({"status": None}, "is gone: it was pruned, or never was"),
    ({"status": Status.IN_TROUBLESHOOTING_QUEUE, "held": True}, "is being changed by another right now: try again"),
    ({"status": Status.COMPLETED}, "is no longer in the queue: it is Completed now"),
    (
        {"status": Status.PENDING, "operator": "ada\n", "event_type": "OPERATOR_RETRY", "at": NOW},
        "was retried by ada\n at 14:02:03 UTC, and is Pending now",
    ),
    (
        {"status": Status.IN_TROUBLESHOOTING_QUEUE, "again": NOW + timedelta(seconds=1)},
        "was parked again at 14:02:04 UTC: look at its new failure first",
    ),
)


@pytest.mark.parametrize(("left", "said"), LEFT)
def test_each_reason_for_leaving_a_command_has_its_words(left: dict[str, object], said: str) -> None:
    assert left_text(**left) == said  # type: ignore[arg-type]  # as pages pass them on


def test_counts_have_their_plural() -> None:
    assert [commands_text(count) for count in (0, 1, 12480)] == ["0 commands", "1 command", "12,480 commands"]


def test_a_sparkline_fits_its_height_and_hides_no_small_value() -> None:
    spark = sparkline([0, 1, 1000], ["a", "b", "c"])
    assert [bar.height for bar in spark.bars] == [0, LEAST, HEIGHT]
    assert [bar.y + bar.height for bar in spark.bars] == [HEIGHT] * 3
    assert spark.bars[-1].x + spark.bars[-1].width == spark.width
    assert spark.description == "b: 1, c: 1,000"
    assert sparkline([], []).description == sparkline([0], ["a"]).description == "none"
