"""The site's URLs and pages that always fail, for test_error_pages.py."""

from typing import NoReturn

from django.core.exceptions import SuspiciousOperation
from django.db import connection
from django.http import HttpRequest
from django.urls import path

from e2e_site import urls


class BrokenError(Exception):
    """A defect of the page."""


def broken(request: HttpRequest) -> NoReturn:
    raise BrokenError


def suspicious(request: HttpRequest) -> NoReturn:
    raise SuspiciousOperation


def misspelled(request: HttpRequest) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM public.test_command")


urlpatterns = [
    *urls.urlpatterns,
    path("broken/", broken),
    path("suspicious/", suspicious),
    path("misspelled/", misspelled),  # type: ignore[arg-type]  # it answers nothing
]
handler500 = urls.handler500
