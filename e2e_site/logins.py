"""Logins are throttled: what django-axes counts, against which limits, and the page of one that is refused.

Failures are counted for a user name from an address, and more loosely for the address alone. So guessing is slow, and
nobody can lock another person out from elsewhere. django-axes keeps the failures in its own tables, which all processes
of the site share; `LoginThrottle` is its handler with our two limits.
"""

import logging
import math
from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv6Address, ip_network
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from e2e_site.visitors import visitor_address

logger = logging.getLogger(__name__)

Credentials = dict[str, Any] | None


class LoginThrottle(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Two limits where axes knows one number, and a success that forgives its own user's failures alone."""

    def get_failures(self, request: HttpRequest, credentials: Credentials = None) -> int:
        """The limit where one of ours is reached, else 0: axes compares it with ``AXES_FAILURE_LIMIT``."""
        return settings.AXES_FAILURE_LIMIT if self.refused_until(request, credentials) else 0

    def refused_until(self, request: HttpRequest, credentials: Credentials = None) -> datetime | None:
        """When a password is tried again; None where one is tried now."""
        username, address = get_client_username(request, credentials), _address(request)
        failures = AccessAttempt.objects.filter(
            ip_address=address, attempt_time__gte=get_cool_off_threshold(request)
        ).order_by("-attempt_time")
        if address is None:  # behind a proxy that does not tell: all visitors together are no address
            failures = failures.filter(username=username)
        found = list(failures.values_list("username", "attempt_time", "failures_since_start"))
        ends = [_end(((at, n) for name, at, n in found if name == username), settings.AXES_FAILURE_LIMIT)]
        if address is not None:
            ends.append(_end(((at, n) for _, at, n in found), settings.LOGIN_FAILURES_PER_ADDRESS))
        return max(filter(None, ends), default=None)

    def reset_user_attempts(self, request: HttpRequest, credentials: Credentials = None) -> int:
        """Axes would forget every failure of the address: an own login now and then would cover any guessing."""
        username = get_client_username(request, credentials)
        deleted, _ = AccessAttempt.objects.filter(username=username, ip_address=_address(request)).delete()
        return int(deleted)


def _address(request: HttpRequest) -> str | None:
    """What `client_address` said; axes remembers it in the request."""
    address: str | None = request.axes_ip_address  # type: ignore[attr-defined]
    return address


def _end(failures: Iterable[tuple[datetime, int]], limit: int) -> datetime | None:
    """When so many of the ``failures``, newest first, are too old to count that fewer than the limit are left."""
    counted = 0
    for moment, number in failures:
        counted += number
        if counted >= limit:
            return moment + settings.AXES_COOLOFF_TIME
    return None


def client_address(request: HttpRequest) -> str | None:
    """Whose failures these are: the address, or of IPv6 the network of a household; None where nobody tells."""
    address = visitor_address(request)
    if isinstance(address, IPv6Address):
        return str(ip_network((address.packed, 64), strict=False).network_address)
    return None if address is None else str(address)


def refusal(request: HttpRequest, answer: HttpResponse, credentials: Credentials) -> HttpResponse:
    """429: the login page again, that says how long no password is tried; in place of a login's own ``answer``."""
    until = AxesProxyHandler.get_implementation().refused_until(request, credentials) or timezone.now()
    seconds = max(1, math.ceil((until - timezone.now()).total_seconds()))
    logger.warning(
        "login refused: too many failures",
        extra={
            "action": "login_refused",
            "user": get_client_username(request, credentials),
            "address": _address(request),
            "seconds": seconds,
        },
    )
    context = {**(getattr(answer, "context_data", None) or {}), "refused_minutes": math.ceil(seconds / 60)}
    response = render(request, "registration/login.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response
