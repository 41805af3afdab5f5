"""docs/deployment.md: what is dumped by pg_dump while the bus works is restored whole, and the bus goes on with it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from commands import checks
from e2e_site.embedded.home import home
from tests.support.bus import HandBus, outcome
from tests.support.clusters import CHECKOUT


def run(program: str, server_version: int, *arguments: str) -> None:
    """A program of PostgreSQL, of a version that suits this server."""
    major = 18 if server_version >= 17_00_00 else 16  # a newer one sets what an older server does not know
    place = home(name="tests", state_dir=CHECKOUT / ".data" / "unused", major=major, checkout=CHECKOUT)
    command = [str(place.installed / "bin" / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_dump_is_restored_whole_and_the_bus_goes_on(
    bus: HandBus, empty_database: Callable[[], str], django_uses: Callable[[str], None], tmp_path: Path
) -> None:
    parked, running, waiting = bus.send(max_attempts=1), bus.send(), bus.send()
    attempt = bus.receive(1)["commands"][parked]
    bus.finish(outcome(parked, attempt, "permanent"))
    assert list(bus.receive(1)["commands"]) == [running]
    url, file = empty_database(), str(tmp_path / "bus.dump")

    version = bus.conn.info.server_version
    run("pg_dump", version, "--format=custom", f"--file={file}", bus.url)
    run("pg_restore", version, "--exit-on-error", "--no-owner", f"--dbname={url}", file)

    django_uses(url)
    assert checks.problems() == []
    restored = HandBus(url)
    with restored.conn:
        assert [restored.word(each) for each in (parked, running, waiting)] == [
            bus.word(each) for each in (parked, running, waiting)
        ]
        assert list(restored.receive()["commands"]) == [waiting]
        restored.expire_lease(running)  # what ran when it was dumped comes again
        assert list(restored.receive()["commands"]) == [running]
        later = restored.send()
        assert list(restored.receive()["commands"]) == [later]
