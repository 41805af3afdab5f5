"""304 for a fragment that shows what its reader has already, whatever the clock says by now.

Two answers are alike when they differ in nothing but the time of the database, what is counted from it ("3 s ago"), and
the tokens of forms, of which older ones are as good. The browser goes on counting; it gets the time as ``X-Now``.
"""

from __future__ import annotations

import hashlib
import re
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from django.utils.cache import get_conditional_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

P = ParamSpec("P")

_NOW = re.compile(rb'data-now="([^"]*)"')
_COUNTED = re.compile(rb'(data-relative="[a-z]+">)[^<]*')
_TOKEN = re.compile(rb'(name="csrfmiddlewaretoken" value=")[^"]*')


def not_again(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Let a fragment's view answer 304 to one who names the ETag of an answer that showed the same."""

    @wraps(view)
    def answered(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if response.status_code != 200:
            return response
        if now := _NOW.search(response.content):
            response["X-Now"] = now[1].decode()
        response["ETag"] = etag = f'W/"{hashlib.sha256(_timeless(response.content)).hexdigest()[:32]}"'
        unchanged = get_conditional_response(request, etag=etag, response=response)
        if unchanged is not None and unchanged is not response and "X-Now" in response:
            unchanged["X-Now"] = response["X-Now"]
        return unchanged or response

    return answered


def _timeless(content: bytes) -> bytes:
    return _TOKEN.sub(rb"\1", _COUNTED.sub(rb"\1", _NOW.sub(b"data-now", content)))
