"""What ``bin/setup`` does once it has found a Python. The standard library alone: there may be no package yet."""

import errno
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets import build_styles, collect_static
from programs import die, free_mb, say
from python_packages import install_packages, make_venv
from surroundings import check_place, forget_other_projects
from test_tools import get_browser, get_flyway, get_jq, get_pgbouncer, get_promtool

TOOLS = {
    "--browser": get_browser,
    "--flyway": get_flyway,
    "--pgbouncer": get_pgbouncer,
    "--promtool": get_promtool,
    "--jq": get_jq,
}
OPTIONS = ("--dev", *TOOLS)
STATE = Path(".data")


def main(options: list[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    if unknown := [option for option in options if option not in OPTIONS]:
        die(f"unknown option {unknown[0]}; there are {', '.join(OPTIONS[:-1])} and {OPTIONS[-1]}.", code=2)
    check_place()
    forget_other_projects()
    try:
        with turn():
            make_venv()
            install_packages("requirements")
            if "--dev" in options:
                install_packages("requirements-dev", beside="requirements")
            build_styles()
            collect_static()
            for option, get in TOOLS.items():
                if option in options:
                    get()
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            die(f"disk full: {free_mb()} MB free in {Path.cwd()}.")
        die(f"{exc}.")
    except KeyboardInterrupt:
        sys.exit(130)
    say("complete")


@contextmanager
def turn() -> Iterator[None]:
    """Wait until no other set-up works on this checkout. The system ends the turn of one that is killed."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    with (STATE / "setup.pid").open("a+") as holder:
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder.seek(0)
            say(f"waiting for another set-up (process {holder.read()})")
            fcntl.flock(holder, fcntl.LOCK_EX)
        holder.truncate(0)
        holder.write(str(os.getpid()))
        holder.flush()
        yield


if __name__ == "__main__":
    main(sys.argv[1:])
