"""The site in a shell that was made for something else, and in a place with an odd name."""

import http.client
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from e2e_site.embedded.process import free_port
from tests.support.checkouts import NO_NETWORK, Checkout
from tests.support.waiting import wait_until

OTHER_PROJECTS = {
    # Another server
    "PGHOST": "db.example.org",
    "PGHOSTADDR": "192.0.2.1",
    "PGSERVICE": "none",
    "PGUSER": "nobody",
    "PGPASSFILE": "/nowhere",
    "PGSSLMODE": "verify-full",
    "PGSSLCERT": "/nowhere",
    "PGREQUIREAUTH": "none",
    "PGCHANNELBINDING": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGOPTIONS": "-c search_path=nonsense -c statement_timeout=1",
    "PGDATESTYLE": "German",
    "PGTZ": "Asia/Kathmandu",
    "PGCLIENTENCODING": "LATIN1",
    # Another program
    "DJANGO_SETTINGS_MODULE": "shop.settings",
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONSAFEPATH": "1",
    "PYTHONOPTIMIZE": "2",
    "NODE_OPTIONS": "--require /nowhere",
    "VIRTUAL_ENV": "/nowhere",
    "CDPATH": "/:/usr",
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "No/Where",
    "TMPDIR": "/nowhere",
    "HOME": "/nowhere",
}


@pytest.fixture
def odd_checkout(tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path / "it's (ü) & 100% [1]*; x")
    yield made
    made.remove()


def status(port: int, host: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/", headers={"Host": host})
        with connection.getresponse() as answer:
            return answer.status


def test_a_demo_is_as_everywhere_and_answers_to_the_names_of_the_machine(
    odd_checkout: Checkout, tmp_path: Path
) -> None:
    link, port = tmp_path / "demo", free_port()
    link.symlink_to(odd_checkout.directory / "bin" / "demo")
    script = f"umask 077; cd /; exec '{link}'"
    # An address that stands for all of this machine's.
    serving = {"HOST": "0.0.0.0", "PORT": str(port)}  # noqa: S104 — it is to be reached by the machine's name
    demo = odd_checkout.start("sh", "-c", script, **OTHER_PROJECTS, **NO_NETWORK, **serving)
    demo.wait_for_output("Ctrl-C stops everything", 60)

    name = socket.gethostname()
    assert [status(port, host) for host in (f"{name}:{port}", "localhost", "foreign.example.org")] == [200, 200, 400]
    (told,) = [line for line in demo.output.splitlines() if line.startswith("It answers to ")]
    assert f" {name}" in told
    wait_until(
        lambda: odd_checkout.query("SELECT count(*) FROM commandbus.command WHERE status = 'COMPLETED'") == [(3,)],
        60,
        "Work of the worker",
    )
    schemas = odd_checkout.query("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename ~ '^(django|auth)_'")
    assert schemas == [("public",)]
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 0
    assert not odd_checkout.cluster.is_running()
