"""Programs that only tests need: a browser, Maven for the real Flyway, a pooler, promtool, jq."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from programs import LOG, die, output, run, say
from python_packages import PYTHON
from stamps import is_fresh, stamp

PROMTOOL = Path(".data/tools/promtool")


def get_browser() -> None:
    # The browser tests look in the same places, in the same order (tests/browser/conftest.py).
    def is_there() -> bool:
        names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        return bool(os.environ.get("CHROMIUM")) or any(output(name, "--version") for name in names)

    if is_there() or is_fresh("browser", "playwright"):
        return
    say("installing Chromium")
    if apt_install("chromium") and is_there():
        return
    what = "downloading Chromium (CHROMIUM=/path/to/chromium names one)"
    run(what, PYTHON, "-m", "playwright", "install", "chromium")
    stamp("browser", "playwright")


def get_flyway() -> None:
    get_package("maven", program="mvn", called="Maven", tests="tests against the real Flyway")


def get_pgbouncer() -> None:
    # The tests look in the same places (tests/support/pooler.py). They start their own; Debian's runs as a service.
    if get_package("pgbouncer", program="pgbouncer", called="PgBouncer", tests="tests through a pooler"):
        output("systemctl", "disable", "--now", "pgbouncer")


def get_promtool() -> None:
    # The tests look in the same places (tests/support/promtool.py). Prometheus itself, a service, is not installed.
    if shutil.which("promtool") or PROMTOOL.is_file():
        return
    say("getting promtool")
    if not apt_extract("prometheus", "./usr/bin/promtool", PROMTOOL):
        skip_or_die("promtool", "tests of the alert rules")


def get_jq() -> None:
    get_package("jq", program="jq", called="jq", tests="tests of the pipelines in docs/command-line.md")


def get_package(package: str, *, program: str, called: str, tests: str) -> bool:
    """Install a package of the machine unless its program is there; whether it was installed now."""

    def is_there() -> bool:
        return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") is not None

    if is_there():
        return False
    say(f"installing {called}")
    if apt_install(package) and is_there():
        return True
    skip_or_die(called, tests)
    return False


def skip_or_die(called: str, tests: str) -> None:
    if os.environ.get("CI"):
        why = f"{called} is missing and could not be installed (see {LOG})"
        die(f"{why}; where CI is set, the {tests} are never skipped.")
    print(f"WARNING: no {called}: the {tests} will be skipped.", file=sys.stderr, flush=True)


def apt_install(package: str) -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with LOG.open("w") as log:
        for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", package]):
            done = subprocess.run(["apt-get", *words], stdout=log, stderr=log, env=environment, check=False)
            if done.returncode:
                return False
    return True


def apt_extract(package: str, file: str, target: Path) -> bool:
    """Put one file of a package of the machine at ``target``, without the package; whether that went well."""
    if shutil.which("apt-get") is None:
        return False
    with LOG.open("w") as log, TemporaryDirectory(dir=".data") as directory:

        def done(*command: str) -> bool:
            return not subprocess.run(command, cwd=directory, stdout=log, stderr=log, check=False).returncode

        download = ("apt-get", "download", "-q", package)
        if not done(*download) and not (done("apt-get", "update", "-q") and done(*download)):
            return False
        (archive,) = Path(directory).glob("*.deb")
        if not done("sh", "-ec", f"dpkg-deb --fsys-tarfile {archive.name} | tar -x {file}"):
            return False
        target.parent.mkdir(exist_ok=True)
        shutil.move(Path(directory) / file, target)
    return True
