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


def _start(**environment: str) -> "subprocess.CompletedProcess[str]":
    show = "from django.conf import settings as s; print(s.ALLOWED_HOSTS, s.CSRF_TRUSTED_ORIGINS)"
    return subprocess.run(
        [sys.executable, "-c", show],
        cwd=CHECKOUT,
        env=inherited_environment(DJANGO_SETTINGS_MODULE="e2e_site.settings", **environment),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_site_starts_with_trimmed_names_and_says_what_is_wrong_with_others() -> None:
    good = _start(ALLOWED_HOSTS="localhost, bus.example.org", CSRF_TRUSTED_ORIGINS=" https://bus.example.org")
    assert good.stdout == "['localhost', 'bus.example.org'] ['https://bus.example.org']\n"
    assert _start(ALLOWED_HOSTS="", CSRF_TRUSTED_ORIGINS="").stdout == "['127.0.0.1', 'localhost', '[::1]'] []\n"
    assert "ALLOWED_HOSTS: an item is empty" in _start(ALLOWED_HOSTS="localhost,,").stderr
    assert "CSRF_TRUSTED_ORIGINS: 'bus.example.org' does not begin" in (
        _start(CSRF_TRUSTED_ORIGINS="bus.example.org").stderr
    )
