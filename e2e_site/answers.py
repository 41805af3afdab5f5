"""What each answer of the site carries or leaves out, whichever view gave it. Static files are WhiteNoise's."""

from collections.abc import Callable
from functools import cached_property

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class PolicyMiddleware(CSPMiddleware):
    """django-csp's, which makes the header anew for each answer; here no view has a policy of its own."""

    @cached_property
    def _policy(self) -> str:
        return str(build_policy())

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.setdefault(HEADER, self._policy)
        return response


class PrivateAnswerMiddleware:
    """Keeps pages out of caches, unless a view says otherwise.

    What is made for a session is stored nowhere, not even by its browser. What everybody may see, a browser may keep
    for its Back button.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        # By the cookie: asking who is logged in would ask the database, for an error page too.
        cookie = settings.SESSION_COOKIE_NAME
        for_one = cookie in request.COOKIES or cookie in response.cookies
        response.setdefault("Cache-Control", "private, no-store" if for_one else "private, no-cache")
        return response


class HeadAnswerMiddleware:
    """Views answer HEAD as GET; of that the body is left out here, its length stays. Not every web server does it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.method == "HEAD" and isinstance(response, HttpResponse):
            response.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response
