"""How the API reads and writes JSON: every digit of a number stays, a key has one value, a body has bounds."""

import json
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.types import DictStrAny

from commands.api.problems import ProblemError
from commands.rules.payload import ExactNumber, PayloadError, parse_json

JSON_TYPES = {"application/json"}
MOST_BYTES = 2_500_000  # Django's bound of a body


class ExactParser(Parser):
    def parse_body(self, request: HttpRequest) -> DictStrAny:
        """The body as `parse_json` reads it. Raises ProblemError: 400 (no JSON), 413 (too long), 415 (no JSON type)."""
        if request.content_type not in JSON_TYPES:
            said = f"not {request.content_type}" if request.content_type else "and say so in Content-Type"
            raise ProblemError(415, f"The body has to be application/json, {said}.")
        try:
            text = request.body.decode()
        except RequestDataTooBig as exc:
            raise ProblemError(413, f"A body has at most {MOST_BYTES:,} bytes.") from exc
        except UnicodeDecodeError as exc:
            raise ProblemError(400, "The body is no UTF-8.") from exc
        try:
            value = parse_json(text)
        except PayloadError as exc:
            raise ProblemError(400, str(exc)) from exc
        if not isinstance(value, dict):
            raise ProblemError(422, "The body has to be a JSON object.")
        return value


class ExactRenderer(BaseRenderer):
    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        try:
            return orjson.dumps(data)
        except TypeError:  # a number of more than 64 bits, or an exact one
            return _text(data).encode(errors="replace")


def _text(value: Any) -> str:
    match value:
        case dict():
            return f"{{{','.join(f'{json.dumps(str(key))}:{_text(inner)}' for key, inner in value.items())}}}"
        case list() | tuple():
            return f"[{','.join(map(_text, value))}]"
        case ExactNumber():
            return f"{value:f}"
        case int() | float() | str() | None:
            return json.dumps(value, ensure_ascii=False)
        case _:
            return orjson.dumps(value).decode()
