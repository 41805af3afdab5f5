"""Problem details (RFC 9457): what the API says of a request that it cannot fulfil, one shape for all.

::

    {"type": "about:blank", "title": "Unprocessable Content", "status": 422, "code": "invalid",
     "detail": "Correct what is wrong in it.",
     "errors": [{"field": "max_attempts", "message": "max_attempts must be …", "allowed": "1 to 100"}]}
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TypedDict

import orjson
from django.http import HttpRequest, HttpResponse

API_PREFIX = "/api/"
CONTENT_TYPE = "application/problem+json"
CODES: Mapping[int, str] = {
    400: "malformed",
    401: "login_needed",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "precondition_failed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    428: "precondition_needed",
    429: "too_many",
    500: "defect",
    503: "unavailable",
}
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}  # as RFC 9110 has them


class FieldError(TypedDict, total=False):
    """One thing that is wrong: ``field`` is its way in the request, ``allowed`` says what may stand there."""

    field: str
    message: str
    allowed: str


def is_for_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIX)


def problem(
    status: int,
    detail: str,
    *,
    code: str = "",
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The answer. ``code`` is for programs: `CODES` has the one that each status has by itself."""
    body = {
        "type": "about:blank",
        "title": _TITLES.get(status, HTTPStatus(status).phrase),
        "status": status,
        "code": code or CODES[status],
        "detail": detail,
        "errors": list(errors),
    }
    return HttpResponse(orjson.dumps(body), status=status, content_type=CONTENT_TYPE, headers=dict(headers or {}))
