"""Which host names and origins the site takes at its start."""

import subprocess
import sys

import pytest

from e2e_site import hosts
from tests.support.clusters import CHECKOUT
from tests.support.programs import inherited_environment


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("localhost", "localhost"),
        (" bus.Example.org ", "bus.example.org"),
        (".example.org", ".example.org"),
        ("*", "*"),
        ("[::1]", "[::1]"),
        ("127.0.0.1", "127.0.0.1"),
        ("my_host-1", "my_host-1"),
    ],
)
def test_a_host_is_trimmed_and_taken(given: str, taken: str) -> None:
    assert hosts.host(given) == taken


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("https://bus.example.org", "leave out scheme"),
        ("bus.example.org/", "leave out scheme and path"),
        ("localhost:8000", "port"),
        ("[::1]:8000", "port"),
        ("::1", r"\[::1\]"),
        ("*.example.org", "no host name"),
        ("bus example", "no host name"),
        ("-bus", "no host name"),
        ("[nonsense]", "no host name"),
    ],
)
def test_what_would_never_match_a_host_is_refused(given: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        hosts.host(given)


@pytest.mark.parametrize(
    "given",
    [
        "https://bus.example.org",
        "http://localhost:5001",
        "https://*.example.org",
        "https://[::1]:5001",
        "https://[::1]",
    ],
)
def test_an_origin_is_taken(given: str) -> None:
    assert hosts.origin(f" {given.upper()} ") == given


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "empty"),
        ("bus.example.org", "does not begin with https"),
        ("ftp://bus.example.org", "does not begin with https"),
        ("https://bus.example.org/", "more than scheme, host and port"),
        ("https://user@bus.example.org", "more than scheme, host and port"),
        ("https://", "empty"),
        ("https://*", "no host"),
        ("https://bus.example.org:", "no host and port"),
        ("https://bus.example.org:port", "no such port"),
        ("https://.example.org", r"https://\*\.example\.org"),
    ],
)
def test_what_would_never_match_an_origin_is_refused(given: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        hosts.origin(given)


@pytest.mark.parametrize("given", ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8", "::1/128"])
def test_a_network_is_taken(given: str) -> None:
    assert str(hosts.network(f" {given} ")) == given
    assert hosts.network("192.0.2.7").num_addresses == 1


@pytest.mark.parametrize(("given", "why"), [("10.0.0.5/8", "host bits set"), ("bus.example.org", "allowed: networks")])
def test_what_is_no_network_is_refused(given: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        hosts.network(given)


def _start(**environment: str) -> "subprocess.CompletedProcess[str]":
    show = "from django.conf import settings as s; print(s.ALLOWED_HOSTS, s.CSRF_TRUSTED_ORIGINS, *s.METRICS_NETWORKS)"
    return subprocess.run(
        [sys.executable, "-c", show],
        cwd=CHECKOUT,
        env=inherited_environment(DJANGO_SETTINGS_MODULE="e2e_site.settings", **environment),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_site_starts_with_trimmed_names_and_says_what_is_wrong_with_others() -> None:
    good = _start(
        ALLOWED_HOSTS="localhost, bus.example.org",
        CSRF_TRUSTED_ORIGINS=" https://bus.example.org",
        METRICS_NETWORKS="10.0.0.0/8, ::1",
    )
    assert good.stdout == "['localhost', 'bus.example.org'] ['https://bus.example.org'] 10.0.0.0/8 ::1/128\n"
    defaults = "['127.0.0.1', 'localhost', '[::1]'] []"
    of_the_demo = _start(ALLOWED_HOSTS="", CSRF_TRUSTED_ORIGINS="", METRICS_NETWORKS="", DATABASE_URL="")
    assert of_the_demo.stdout == f"{defaults} 127.0.0.0/8 ::1/128\n"
    assert _start(METRICS_NETWORKS="none", DATABASE_URL="").stdout == f"{defaults}\n"
    at_a_server = {"DATABASE_URL": "postgres://ada@db.example.org/bus", "SECRET_KEY": "x"}
    assert _start(METRICS_NETWORKS="", **at_a_server).stdout == f"{defaults}\n"
    assert "METRICS_NETWORKS: '10.0.0.0/33' does" in _start(METRICS_NETWORKS="10.0.0.0/33").stderr
    assert "ALLOWED_HOSTS: an item is empty" in _start(ALLOWED_HOSTS="localhost,,").stderr
    assert "CSRF_TRUSTED_ORIGINS: 'bus.example.org' does not begin" in (
        _start(CSRF_TRUSTED_ORIGINS="bus.example.org").stderr
    )
