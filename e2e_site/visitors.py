"""Where a request comes from, also behind proxies, and whether that is one of some networks."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest

from e2e_site.hosts import Network

Address = IPv4Address | IPv6Address


def visitor_address(request: HttpRequest) -> Address | None:
    """Who asks; None where nobody tells. An IPv4 address in IPv6's clothes is that IPv4 address.

    Each of the proxies before the site appends to X-Forwarded-For whom it serves. So of the list only that many entries
    at its end are true; whatever stands before them is what the visitor claims.
    """
    if settings.PROXIES:
        told = request.headers.get("X-Forwarded-For", "").split(",")[-settings.PROXIES :]
        said = told[0].strip() if len(told) == settings.PROXIES else ""
    else:
        said = request.META.get("REMOTE_ADDR", "")
    try:
        address = ip_address(said)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def is_within(address: Address | None, networks: Iterable[Network]) -> bool:
    return address is not None and any(address in network for network in networks)
