"""Where each file and each row of the history stands, and which of that stops a migrate."""

from datetime import UTC, datetime

import pytest

from e2e_site.schema.history import Applied
from e2e_site.schema.migration_files import Migration
from e2e_site.schema.state import State, compare


def file(name: str, text: str = "SELECT 1;") -> Migration:
    prefix, _, description = name.partition("__")
    return Migration(version=prefix[1:] or None, description=description, script=f"{name}.sql", text=text)


def row(name: str, text: str = "SELECT 1;", *, type: str = "SQL", success: bool = True) -> Applied:  # noqa: A002 — the column's name
    migration = file(name, text)
    return Applied(
        version=migration.version,
        description=migration.description,
        type=type,
        script=migration.script,
        checksum=migration.checksum,
        installed_on=datetime(2026, 1, 2, tzinfo=UTC),
        success=success,
    )


def standings(state: State) -> list[str]:
    return [f"{entry.script.removesuffix('.sql')} {entry.standing}" for entry in state.entries]


def test_nothing_applied_is_all_pending_in_the_order_of_the_files() -> None:
    files = [file("V1__a"), file("V2__b"), file("R__a"), file("R__b")]

    assert list(compare(files, []).pending) == files


def test_versions_are_equal_as_numbers() -> None:
    assert compare([file("V1__a")], [row("V001__a")]).pending == ()


def test_of_a_repeatable_file_the_last_run_counts() -> None:
    history = [row("R__a", "1"), row("R__b", "1"), row("R__a", "2")]

    assert standings(compare([file("R__a", "2"), file("R__b", "1")], history)) == [
        "R__a Superseded",
        "R__b Success",
        "R__a Success",
    ]
    back = compare([file("R__a", "1"), file("R__b", "1")], history)
    assert standings(back) == ["R__a Superseded", "R__b Success", "R__a Outdated", "R__a Pending"]
    assert back.pending == (file("R__a", "1"),)
    assert back.problems == ()


def test_a_repeatable_file_is_known_by_its_description_wherever_it_lies() -> None:
    moved = Migration(version=None, description="a", script="functions/R__a.sql", text="SELECT 1;")

    assert standings(compare([moved], [row("R__a")])) == ["R__a Success"]


def test_files_up_to_the_baseline_are_not_due_and_repeatable_ones_are() -> None:
    state = compare([file("V1__a"), file("V2__b"), file("R__a")], [row("V1__x", type="BASELINE")])

    assert standings(state) == ["V1__x Baseline", "V2__b Pending", "R__a Pending"]


def test_what_a_later_state_of_the_code_applied_is_no_problem() -> None:
    state = compare([file("V1__a")], [row("V1__a"), row("V2__b")])

    assert standings(state) == ["V1__a Success", "V2__b Future"]
    assert state.problems == ()


@pytest.mark.parametrize("name", ["V1__a", "R__a"])
def test_a_file_that_was_applied_and_is_gone_is_a_problem(name: str) -> None:
    state = compare([file("V2__b")], [row(name), row("V2__b")])

    assert standings(state) == [f"{name} Missing", "V2__b Success"]
    (problem,) = state.problems
    assert problem.startswith("This database was made by an unreleased state of the schema")
    assert f": {name}.sql was applied, but the file is missing. " in problem


def test_the_older_runs_of_a_missing_file_are_not_counted() -> None:
    state = compare([], [row("R__a", "1"), row("R__a", "2")])

    assert standings(state) == ["R__a Superseded", "R__a Missing"]
    assert "such files" not in state.problems[0]


def test_a_description_that_changed_is_a_change() -> None:
    assert standings(compare([file("V1__b")], [row("V1__a")])) == ["V1__a Changed"]


def test_while_there_is_a_problem_nothing_is_pending() -> None:
    state = compare([file("V1__a", "2"), file("V2__b"), file("R__a")], [row("V1__a", "1")])

    assert standings(state) == ["V1__a Changed", "V2__b Pending", "R__a Pending"]
    assert state.pending == ()


def test_a_database_of_other_files_has_one_problem_whatever_else_is_wrong() -> None:
    history = [row("V1__a", "1"), row("V3__c", success=False), row("V4__d", type="JDBC"), row("R__z")]
    state = compare([file("V1__a", "2"), file("V2__b"), file("V3__c")], history)

    assert standings(state) == [
        "V1__a Changed",
        "V3__c Failed",
        "V4__d Unknown",
        "R__z Missing",
        "V2__b Ignored",
    ]
    (problem,) = state.problems
    assert "V1__a.sql was changed after it was applied (the first of 2 such files)." in problem


@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ([row("V2__b")], "V1__a.sql was not applied, but a later migration was"),
        ([row("V1__a"), row("V2__b", success=False)], "V2__b.sql failed when it was applied"),
        ([row("V1__a"), row("R__a", success=False)], "R__a.sql failed when it was applied"),
        ([row("V1__a"), row("V2__b", type="UNDO_SQL")], "V2__b.sql: the built-in runner cannot judge"),
    ],
)
def test_each_other_problem_is_a_sentence_of_its_own(history: list[Applied], problem: str) -> None:
    (found,) = compare([file("V1__a"), file("V2__b"), file("R__a")], history).problems

    assert found.startswith(problem)
