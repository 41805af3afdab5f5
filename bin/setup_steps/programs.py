"""Running programs with their output in a log, and saying in one line what went wrong."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

LOG = Path(".data/setup.log")
FULL_MB = 20  # a disk with less than that is full
NO_SPACE = re.compile(r"no space left|ENOSPC|disk quota", re.IGNORECASE)
NO_NETWORK = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|NewConnectionError|ConnectTimeout|ProxyError"
    r"|name resolution|connection (refused|timed out|broken)|network is unreachable|net::ERR",
    re.IGNORECASE,
)
ERROR = re.compile(r"(?:^|npm )error", re.IGNORECASE)
DOWNLOADS = re.compile(r" *Downloading (\S+) (\(.*MB\))")


def say(line: str) -> None:
    print(f"Set-up: {line}", flush=True)


def die(line: str, *, code: int = 1) -> NoReturn:
    print(f"bin/setup: {line}", file=sys.stderr, flush=True)
    sys.exit(code)


def free_mb() -> int:
    return shutil.disk_usage(".").free // 2**20


def run(what: str, *command: str | Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a program, all that it prints going to the log and what it downloads to the terminal; say why it failed."""
    with (
        LOG.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=environment,
        ) as program,
    ):
        assert program.stdout is not None
        try:
            for line in program.stdout:
                log.write(line)
                if found := DOWNLOADS.match(line):
                    print(f"  {found[1]} {found[2]}", flush=True)
        except BaseException:
            program.terminate()
            raise
    if program.returncode:
        die(why_failed(what))


def why_failed(what: str) -> str:
    said = LOG.read_text("utf-8")
    if free_mb() < FULL_MB or NO_SPACE.search(said):
        return f"disk full while {what}."
    if NO_NETWORK.search(said):
        return f"no network while {what}: the first run needs the package registries."
    line = next((line for line in said.splitlines() if ERROR.search(line)), "it does not say why")
    return f"failed while {what}: {line} (all of it: {LOG})"


def output(*command: str | Path) -> str:
    """What a program prints; empty where there is none, and where it fails."""
    with suppress(OSError):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        return "" if done.returncode else done.stdout.strip()
    return ""
