"""Our management commands: a wrong value is answered in the same way by all of them."""

from argparse import Action

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError

from e2e_site.command import SiteCommand
from e2e_site.options import Age, Exit, NamedNumber, Number, SiteError

OURS = sorted(name for name, app in get_commands().items() if app in {"bench", "commands", "e2e_site"})
# Django's own, changed in one method.
OTHERS = {"runserver"}
TYPES = (Age, NamedNumber, Number)


def command(name: str) -> BaseCommand:
    return load_command_class(get_commands()[name], name)


def test_they_are_all_made_of_one_class() -> None:
    named = {
        "benchmark",
        "demo",
        "embeddedpg",
        "flyway",
        "loadtest",
        "operate",
        "pgmq",
        "prune",
        "runworker",
        "sampler",
        "setup",
    }
    assert {*named, "seed_history"} <= set(OURS)
    assert {name for name in OURS if not isinstance(command(name), SiteCommand)} == OTHERS


def answer_to(name: str, *words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which the command refuses these words."""
    made = command(name)
    made._called_from_command_line = True  # type: ignore[attr-defined]  # as ``run_from_argv`` does
    with pytest.raises(SystemExit) as ended:
        made.create_parser("manage.py", name).parse_args(list(words))
    assert ended.value.code == Exit.REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def typed(name: str) -> list[Action]:
    """The options of a command that take a number, an age or the like."""
    actions = command(name).create_parser("manage.py", name)._actions
    return [action for action in actions if isinstance(action.type, TYPES)]


@pytest.mark.parametrize("name", [name for name in OURS if name not in OTHERS])
def test_a_wrong_value_is_one_line_with_the_option_what_is_allowed_and_the_value(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for action in typed(name):
        (option,) = action.option_strings
        line = answer_to(name, f"{option}=much", capsys=capsys)
        assert isinstance(action.type, TYPES)
        assert line == f"CommandError: {option} must be {action.type.allowed}, not 'much'."


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--concurrency", "0", "a whole number from 1 to 500 (commands), not '0'"),
        ("--batch-size", "many", "a whole number from 1 to 1,000 (messages), not 'many'"),
        ("--visibility-timeout", "1.5", "a whole number from 1 to 43,200 (seconds), not '1.5'"),
        ("--poll-interval", "nan", "a number with at most 2 decimal places from 0.05 to 60 (seconds), not 'nan'"),
        ("--processes", "65", "a whole number from 1 to 64, not '65'"),
        ("--grace", "-1", "a number from 0 to 86,400 (seconds), not '-1'"),
        ("--max-wait", "soon", "a number from 0 to 86,400 (seconds), not 'soon'"),
    ],
)
def test_a_worker_is_given_no_value_out_of_range(
    option: str, value: str, allowed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = answer_to("runworker", f"{option}={value}", capsys=capsys)
    assert line == f"CommandError: {option} must be {allowed}."


def test_numbers_ages_and_sizes_are_among_them() -> None:
    actions = [action for name in ("benchmark", "prune", "runworker") for action in typed(name)]
    assert {type(action.type) for action in actions} == set(TYPES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prune"], "the following arguments are required: --older-than"),
        (["prune", "--older-than"], "--older-than: expected one argument"),
        (["flyway", "repair"], "action: invalid choice: 'repair' (choose from "),
        (["runworker", "--engine=set"], "--engine: invalid choice: 'set' (choose from 'native', 'library')"),
        (["demo", "--emtpy"], "unrecognized arguments: --emtpy"),
    ],
)
def test_another_wrong_call_is_one_line_too(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer_to(*words, capsys=capsys).startswith(f"CommandError: {said}")


def test_a_call_from_python_raises_and_does_not_end_the_process() -> None:
    with pytest.raises(CommandError, match="invalid choice: 'repair'"):
        command("flyway").create_parser("manage.py", "flyway").parse_args(["repair"])


@pytest.mark.parametrize("code", [Exit.FAILED, Exit.REFUSED])
def test_an_error_for_people_ends_a_command_with_its_own_code(code: Exit) -> None:
    class TooLateError(SiteError):
        exit_code = code

    class Late(SiteCommand):
        def handle(self, **options: object) -> None:
            raise TooLateError("It is too late: come again tomorrow.")

    with pytest.raises(CommandError, match="come again tomorrow") as caught:
        Late().execute(force_color=False, no_color=True)
    assert caught.value.returncode == code
