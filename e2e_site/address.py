"""Where the site is served: ``HOST`` (127.0.0.1) and ``PORT`` (5001) of the environment."""

import errno
import http.client
import os
import socket
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import psutil

from e2e_site.options import Exit, SiteError

LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
_EVERY_ADDRESS = {"0.0.0.0": {socket.AF_INET}, "::": {socket.AF_INET, socket.AF_INET6}}  # noqa: S104 — compared
_BACKLOG = 1000
_RELEASE_S = 3  # a web server that was just killed may hold its port a moment longer


class AddressError(SiteError):
    """No server can listen there; the message says why and what to do."""

    exit_code = Exit.REFUSED


@dataclass(frozen=True, kw_only=True)
class Address:
    host: str
    port: int

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Address":
        port = environment.get("PORT") or "5001"
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise AddressError(f"PORT is {port!r}; allowed: a number from 1 to 65535.")
        return cls(host=environment.get("HOST") or "127.0.0.1", port=int(port))

    @property
    def url(self) -> str:
        """What a person on this machine opens."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 — compared, not bound
        return f"http://{f'[{host}]' if host.count(':') > 1 and host[0] != '[' else host}:{self.port}"

    @property
    def bind(self) -> str:
        """Host and port in one word; an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def names(self) -> list[str]:
        """By what names and addresses a browser may reach it, as ``ALLOWED_HOSTS`` takes them.

        Always those that lead from this machine to itself, and ``HOST``; in place of one that stands for every address,
        the machine's name and each of its addresses.
        """
        found = [*LOCAL_NAMES, self.host]
        if families := _EVERY_ADDRESS.get(self.host):
            cards = psutil.net_if_addrs().values()
            own = [one.address for card in cards for one in card if one.family in families]
            found = [*LOCAL_NAMES, socket.gethostname(), *(address for address in own if "%" not in address)]
        return list(dict.fromkeys(f"[{name}]" if ":" in name and name[0] != "[" else name for name in found))

    def check_free(self) -> None:
        """Raise AddressError unless a server can listen here now, or within a moment."""
        deadline = time.monotonic() + _RELEASE_S
        while True:
            try:
                family, _, _, _, place = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
                socket.create_server(place[:2], family=family).close()
            except socket.gaierror:
                raise AddressError(f"HOST is {self.host!r}; allowed: an address or a name of this machine.") from None
            except PermissionError:
                raise AddressError(f"Port {self.port} may not be opened by this user: PORT=5001 may.") from None
            except OSError as exc:
                if time.monotonic() < deadline and self._is_taken(exc):
                    time.sleep(0.1)
                    continue
                raise AddressError(self._why(exc)) from None
            return

    def listen(self) -> socket.socket:
        """A socket that listens here, for several processes to take connections from; OSError where it cannot."""
        family, _, _, _, place = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
        every = family == socket.AF_INET6 and self.host == "::"  # also those of IPv4
        return socket.create_server(place[:2], family=family, backlog=_BACKLOG, dualstack_ipv6=every)

    def _is_taken(self, error: OSError) -> bool:
        return error.errno == errno.EADDRINUSE

    def _why(self, error: OSError) -> str:
        if self._is_taken(error):
            return f"Port {self.port} is taken by another program: PORT={self._next_free()} bin/demo takes another."
        return f"Nothing can listen on {self.bind}: {os.strerror(error.errno or 0)}."

    def _next_free(self) -> int:
        for port in range(self.port + 1, min(self.port + 100, 65536)):
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)):
                    return port
        return 0

    def answers(self) -> bool:
        """Whether a site answers here, with anything but an error of its own."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
