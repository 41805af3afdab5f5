"""``manage.py bench``: the smallest scenario comes to its verdict."""

import json
from pathlib import Path

from commands.rules.behaviors import BehaviorType
from tests.conftest import StartManage

WITHIN_S = 60  # the machine has other tests to run; alone it takes a quarter of that


def test_smoke_passes_and_says_so(start_manage: StartManage, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    program = start_manage("bench", "run", "smoke", "--seed", "7", "--quiet", "--json", str(report))
    assert program.wait(WITHIN_S) == 0
    assert program.output.startswith("PASS: All 300 acknowledged commands came to what had to become of them.")
    head = json.loads(report.read_text())["head"]
    assert (head["scenario"], head["seed"], head["verdict"]) == ("smoke", 7, "PASS")


def test_what_cannot_be_run_is_told_with_every_problem_and_its_line(start_manage: StartManage, tmp_path: Path) -> None:
    path = tmp_path / "bad.bench.yaml"
    path.write_text("scenario: bad\nabout: It is wrong.\ncommands: 0\nmix: {sucess: 1}\n")
    program = start_manage("bench", "run", str(path))
    assert program.wait() == 2
    assert program.output.splitlines()[1:] == [
        f"{path}:1: a scenario has either load or commands, and at least one command",
        f"{path}:4: mix.sucess: is no behavior; there is {', '.join(sorted(BehaviorType))}; is success meant?",
    ]


def test_the_shipped_scenarios_are_listed(start_manage: StartManage) -> None:
    programs = [start_manage("bench", "list"), start_manage("bench", "list", "--json")]
    assert [program.wait() for program in programs] == [0, 0]
    text, document = (program.output for program in programs)
    (smoke,) = (each for each in json.loads(document)["scenarios"] if each["scenario"] == "smoke")
    assert smoke["about"] in text
    assert (smoke["place"], smoke["load_s"], smoke["verdict"], smoke["long"]) == ("own", 3.0, "PASS", False)
