"""Where bin/demo serves."""

import socket
import threading

import pytest

from e2e_site.address import Address, AddressError


def test_serves_on_loopback_and_port_5001_by_default() -> None:
    assert Address.of({}) == Address(host="127.0.0.1", port=5001)
    assert Address.of({"PORT": "", "HOST": ""}) == Address(host="127.0.0.1", port=5001)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "5001.0", "abc", " 5001", "²"])
def test_a_port_that_is_none_is_refused_by_name(port: str) -> None:
    with pytest.raises(AddressError, match=r"PORT is .*; allowed: a number from 1 to 65535"):
        Address.of({"PORT": port})


@pytest.mark.parametrize(
    ("host", "url", "bind"),
    [
        ("127.0.0.1", "http://127.0.0.1:80", "127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80", "0.0.0.0:80"),  # noqa: S104 — a value, nothing is bound
        ("::", "http://[::1]:80", "[::]:80"),
        ("::1", "http://[::1]:80", "[::1]:80"),
        ("localhost", "http://localhost:80", "localhost:80"),
    ],
)
def test_every_kind_of_host_has_an_address_to_open_and_one_to_bind(host: str, url: str, bind: str) -> None:
    address = Address(host=host, port=80)
    assert (address.url, address.bind) == (url, bind)


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("127.0.0.1", set()),
        ("bus.example.org", {"bus.example.org"}),
        ("fd00::1", {"[fd00::1]"}),
        ("0.0.0.0", {socket.gethostname()}),  # noqa: S104 — a value, nothing is bound
        ("::", {socket.gethostname()}),
    ],
)
def test_it_is_reached_by_the_names_of_this_machine_and_by_what_host_names(host: str, more: set[str]) -> None:
    names = Address(host=host, port=80).names
    assert {"127.0.0.1", "localhost", "[::1]"} | more <= set(names)
    assert len(names) == len(set(names))
    if host[0] not in "0:":
        assert len(names) == 3 + len(more)


def test_where_it_listens_on_every_address_it_is_reached_by_each() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: the system chooses the address to send from
        own = probe.getsockname()[0]
    assert own in Address(host="0.0.0.0", port=80).names  # noqa: S104 — a value, nothing is bound
    assert own not in Address(host="127.0.0.1", port=80).names


def test_a_taken_port_is_named_together_with_one_that_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            AddressError, match=rf"Port {port} is taken by another program: PORT=(\d+) bin/demo"
        ) as caught:
            Address(host="127.0.0.1", port=port).check_free()
    suggested = int(str(caught.value).partition("PORT=")[2].split()[0])
    Address(host="127.0.0.1", port=suggested).check_free()


def test_a_port_that_gets_free_within_a_moment_is_no_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        release = threading.Timer(0.3, other.close)
        release.start()
        Address(host="127.0.0.1", port=other.getsockname()[1]).check_free()
        assert other.fileno() == -1, "the port was still held"
        release.join()


def test_a_host_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressError, match=r"Nothing can listen on 203\.0\.113\.1:5001"):
        Address(host="203.0.113.1", port=5001).check_free()


def test_an_address_where_nobody_serves_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    assert not Address(host="127.0.0.1", port=port).answers()
