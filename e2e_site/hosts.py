"""Host names, origins and networks in variables: what would be compared and never found is refused. Pure.

Each function answers the value as Django needs it, or raises ValueError with what is wrong with it.
"""

import re
from ipaddress import AddressValueError, IPv4Network, IPv6Address, IPv6Network, ip_network
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

LOOPBACK: list[Network] = [IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")]
_NAME = re.compile(r"\.?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)


def host(value: str) -> str:
    """``bus.example.org``, ``.example.org`` (with all below it), ``10.0.0.1``, ``[::1]`` or ``*``."""
    name = value.strip().lower()
    if not name:
        raise ValueError("an item is empty")
    if "://" in name or "/" in name:
        raise ValueError(f"{value.strip()!r} is an address, not a host: leave out scheme and path")
    if name == "*" or _is_ipv6(name) or _NAME.fullmatch(name):
        return name
    if _is_ipv6(f"[{name}]"):
        raise ValueError(f"{value.strip()!r} needs brackets: [{name}]")
    if ":" in name:
        raise ValueError(f"{value.strip()!r} has a port: leave it out, every port is meant")
    raise ValueError(f"{value.strip()!r} is no host name")


def origin(value: str) -> str:
    """``https://bus.example.org``, with a port where it is not the scheme's own; ``https://*.example.org``."""
    given = value.strip()
    if not given:
        raise ValueError("an item is empty")
    scheme, separator, rest = given.lower().partition("://")
    if not separator or scheme not in {"http", "https"}:
        raise ValueError(f"{given!r} does not begin with https:// or http://")
    if any(mark in rest for mark in "/?#@"):
        raise ValueError(f"{given!r} has more than scheme, host and port")
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port
    except ValueError:
        raise ValueError(f"{given!r} has no such port or host") from None
    name = rest if port is None else rest.rpartition(":")[0]
    if rest.endswith(":") or name == "*":
        raise ValueError(f"{given!r} names no host and port")
    host(name.removeprefix("*"))
    if name.startswith("."):
        raise ValueError(f"{given!r}: for all hosts below it write {scheme}://*{name}")
    return f"{scheme}://{rest}"


def network(text: str) -> Network:
    """A network as ``10.0.0.0/8``, or one address. Raises ValueError that says what is allowed."""
    try:
        return ip_network(text.strip())
    except ValueError as exc:
        raise ValueError(f"{exc}; allowed: networks such as 10.0.0.0/8 or fd00::/8, addresses, or none") from None


def _is_ipv6(name: str) -> bool:
    if not (name.startswith("[") and name.endswith("]")):
        return False
    try:
        IPv6Address(name[1:-1])
    except AddressValueError:
        return False
    return True
