"""What machines ask of the site: ``/healthz``, ``/readyz`` and ``/metrics``.

They ask by an address, not by the site's name, and by plain HTTP from beside it. So these paths answer to any host
name, are not sent on to HTTPS (``SECURE_REDIRECT_EXEMPT``), and know by themselves who may see what.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.middleware import common

from e2e_site.visitors import is_within, visitor_address

PATHS = ("/healthz", "/readyz", "/metrics")


class CommonMiddleware(common.CommonMiddleware):
    """Django's, which refuses host names that are not in ALLOWED_HOSTS; a probe's answer holds none."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path_info in PATHS else super().process_request(request)


def is_watcher(request: HttpRequest) -> bool:
    """Whether it comes from the networks that watch the site (``METRICS_NETWORKS``). Asks no database."""
    return is_within(visitor_address(request), settings.METRICS_NETWORKS)
