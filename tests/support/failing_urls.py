"""The site's URLs and one page that always fails, for test_error_pages.py."""

from typing import NoReturn

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.urls import path

from e2e_site import urls


class BrokenError(Exception):
    """A defect of the page."""


def broken(request: HttpRequest) -> NoReturn:
    raise BrokenError


def suspicious(request: HttpRequest) -> NoReturn:
    raise SuspiciousOperation


urlpatterns = [*urls.urlpatterns, path("broken/", broken), path("suspicious/", suspicious)]
handler500 = urls.handler500
