"""bench/management/commands/benchmark.py: its options, and what `--check` says and counts."""

import io
import os
import re
import signal
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from bench.benchmark.cases import CASES
from bench.benchmark.report import LATEST
from bench.benchmark.results import Result
from bench.management.commands import benchmark
from bench.management.commands.benchmark import Command
from tests.support.clusters import CHECKOUT
from tests.support.measured import measured


def understood(*words: str) -> dict[str, Any]:
    return vars(Command().create_parser("manage.py", "benchmark").parse_args(list(words)))


def test_without_options_every_case_runs_three_rounds_in_full_size() -> None:
    found = understood()
    asked = {name: found[name] for name in ("case", "check", "quick", "runs", "json", "size", "pgbench", "write_docs")}
    assert asked == {
        "case": [],
        "check": False,
        "quick": False,
        "runs": 3,
        "json": None,
        "size": [],
        "pgbench": None,
        "write_docs": None,
    }


def test_sizes_may_be_given_for_several_cases() -> None:
    found = understood("drain", "send", "--size", "drain.commands=5000", "--size", "send.library=10")
    assert found["case"] == ["drain", "send"]
    assert dict(found["size"]) == {"drain.commands": 5000, "send.library": 10}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["drain", "--size", "drain.comands=5"], "There is no size drain.comands; there are drain.commands"),
        (["drain", "--size", "drain.commands=0"], "--size must be CASE.NAME=N with a whole number from 1"),
        (["drain", "--runs", "0"], "--runs must be a whole number from 1 to 1,000, not '0'"),
        (["drain", "--pgbench", "/no/such/program"], "--pgbench /no/such/program is no program"),
        (["--write-docs", "/no/such/file.json"], "cannot be read as results"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "benchmark", *words])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    (line,) = f"{printed.out}{printed.err}".splitlines()
    assert said in line


@pytest.mark.parametrize("size", ["drain.commands", "drain.commands=", "drain.commands=0", "drain.commands=1.5"])
def test_a_size_is_a_name_and_a_whole_number_from_1(size: str) -> None:
    with pytest.raises(CommandError, match=r"--size"):
        understood("--size", size)


def test_docs_are_written_of_the_committed_results_unless_a_file_is_named() -> None:
    assert understood("--write-docs")["write_docs"] == CHECKOUT / LATEST
    assert understood("--write-docs", "mine.json")["write_docs"] == Path("mine.json")


def test_the_help_names_every_case() -> None:
    text = " ".join(Command().create_parser("manage.py", "benchmark").format_help().split())
    assert ", ".join(CASES) in text


def test_the_page_of_commands_tells_every_option_and_no_other() -> None:
    page = (CHECKOUT / "docs" / "commands.md").read_text("utf-8")
    section = page.split("## benchmark\n")[1].split("\n## ")[0]
    told = set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE))
    parser = Command().create_parser("manage.py", "benchmark")
    inherited = {"--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color",
                 "--force-color", "--skip-checks"}  # fmt: skip
    there = {word for action in parser._actions for word in action.option_strings if word.startswith("--")}
    assert told == there - inherited


# -- what --check comes to -------------------------------------------------------------------------------------------


def checked(*names: str, results: Sequence[Result] = ()) -> tuple[int, str]:
    """How many targets were missed, and what was printed."""
    out = io.StringIO()
    return Command(stdout=out)._check({result.case: result for result in results}, list(names)), out.getvalue()


def test_what_the_ceiling_does_not_reach_either_is_not_missed() -> None:
    rates = {"native": [11_000.0], "native-deep": [11_000.0], "ceiling": [11_500.0], "library-4": [500.0]}
    missed, printed = checked("drain", results=[measured("drain", rates)])
    assert missed == 0
    assert "BOUND: at this machine's pace ≥ 9,200 commands/s" in printed
    assert "MISSED" not in printed


def test_each_target_that_was_missed_counts() -> None:
    rates = {"native": [4_000.0], "native-deep": [4_000.0], "ceiling": [13_000.0], "library-4": [500.0]}
    missed, printed = checked("drain", results=[measured("drain", rates)])
    assert missed == printed.count("MISSED") == 3


def test_a_case_that_failed_leaves_its_targets_missed() -> None:
    missed, printed = checked("costs")
    assert missed == printed.count("MISSED: not measured") == 3


def test_only_what_the_named_cases_decide_is_judged() -> None:
    _, printed = checked("million", results=[measured("million", {"seconds": [10.0], "memory": [60.0]})])
    assert len(printed.splitlines()) == 2
    assert printed.splitlines()[1].startswith("Send 1,000,000: memory of the sender")


# -- how it is stopped -----------------------------------------------------------------------------------------------


class Thing:
    pass


def test_a_ctrl_c_that_comes_in_a_finalizer_comes_again() -> None:
    before = signal.signal(signal.SIGINT, benchmark._stop)
    try:
        thing = Thing()
        weakref.finalize(thing, os.kill, os.getpid(), signal.SIGINT)  # what is raised there, Python drops
        del thing
        with pytest.raises(KeyboardInterrupt):
            time.sleep(10)
    finally:
        signal.signal(signal.SIGINT, before)
