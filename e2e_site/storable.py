"""Requests with a NUL character: PostgreSQL neither stores nor compares one, so nothing asked for has one."""

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.views.defaults import bad_request

from e2e_site.problem import is_for_api, problem


class StorableRequestMiddleware:
    """Answers 400 where the address or a cookie has one. Fields of forms refuse it with a message of their own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        if "\0" in request.path or "%00" in query or any("\0" in value for value in request.COOKIES.values()):
            if is_for_api(request):
                return problem(400, "A NUL character stands in the address or in a cookie: leave it out.")
            return bad_request(request, BadRequest("NUL"))
        return self.get_response(request)
