"""The API as a whole: its routers, its contract (OpenAPI 3.1), its page to try it.

A request's way: `auth` says who calls, `formats` reads the body, the operation asks the same forms and reads as the
pages do, and `problems` gives every error one shape.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, re_path
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import OpenAPISchema

from commands.api.auth import READING
from commands.api.formats import ExactParser, ExactRenderer
from commands.api.links import LINKS
from commands.api.problems import handle_errors
from commands.api.schemas import ProblemDetails
from e2e_site import __version__
from e2e_site.problem import CODES, CONTENT_TYPE, problem

# Each noun is a module. The bench's are in a package that this one does not know: Django is told by name.
ROUTERS = {
    "/commands": "commands.api.commands.router",
    "/audit": "commands.api.audit.router",
    "/domains": "commands.api.domains.router",
    "/health": "commands.api.health.router",
    "/tsq": "commands.api.tsq.router",
    "/operations": "commands.api.operations.router",
    "/queue": "commands.api.queue.router",
    "/replies": "commands.api.replies.router",
    "/rejected": "commands.api.rejected.router",
    "/config": "commands.api.config.router",
    "/workers": "commands.api.workers.router",
    "/load-tests": "bench.loadtest.api.router",
    "/runs": "bench.runs.api.router",
    "/scenarios": "bench.runs.scenarios_api.router",
    "/verdict": "bench.invariants.api.router",
    "/stats": "commands.api.stats.router",
    "/stats/load-test": "bench.loadtest.stats_api.router",
}
ABOUT = """
All that a page can do: send, find and operate commands, watch the bus, change its settings.

- **Who calls.** Make a token on [its page](/tokens/) and send it as `Authorization: Bearer cbt_…`; here, press
  *Authorize*. The session of a login does too, with its CSRF token for changes. Where the site is public, reading
  needs neither.
- **What is refused** is answered as problem details (RFC 9457): `code` for programs, `detail` for people, and
  `errors` with the field, what is wrong with it, and what is allowed.
- **Lists** answer `items` and `next`: ask again with `cursor=` what `next` was. `looked` and `reach` say how far a
  page looked.
- **Sent once.** With a `command_id` (or for many a `key`) of your own, a request may be sent again: it acts once.
- **Waiting.** `GET /api/v1/commands/{id}?wait=30` answers when the command is final. `POST /api/v1/commands/bulk`
  and the bulk actions answer with an operation that says how far it is.
- **Numbers** in payloads and results keep every digit. Times are in UTC.
""".strip()
_PROBLEMS_OF_ALL = (401, 403, 503)
_PROBLEMS_OF_A_BODY = (400, 413, 415, 422)
_METHODS = ("get", "put", "post", "delete", "patch")

View = Callable[..., HttpResponseBase]


class TryIt(Swagger):
    """The page to try it, from this site alone: ninja takes its files from elsewhere where it is no app."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        shown = {**self.settings, "url": self.get_openapi_url(api, kwargs)}
        context = {"swagger_settings": json.dumps(shown, indent=1), "api": api, "add_csrf": True}
        return render(request, self.template, context)


class BusAPI(NinjaAPI):
    """Documents the problems that any operation may end with, and gives them one shape outside of operations too."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**kwargs)
        schemas = schema["components"].setdefault("schemas", {})
        schemas["ProblemDetails"] = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schemas["ProblemDetails"].pop("$defs", {}))
        for operations in schema["paths"].values():
            for operation in (operations[method] for method in _METHODS if method in operations):
                _document_problems(operation)
                for status, answer in operation["responses"].items():
                    if links := LINKS.get((operation["operationId"], status)):
                        answer["links"] = links
                for parameter in operation.get("parameters", []):
                    parameter.pop("examples", None)  # a list, as its schema has it; here it would have to be an object
                    if parameter["schema"].get("default") == "":
                        del parameter["schema"]["default"]  # left out
        schema["components"]["schemas"] = _named(schemas, json.dumps(schema["paths"]))
        return schema

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        patterns = super()._get_urls()
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = _answering(pattern.callback)
        return [*patterns, re_path(r"^.*$", _answering(_nothing_here))]


def _answering(view: View) -> View:
    """The view, which knows itself who may call it, and whose refusal of a method is a problem too."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if response.status_code == 405:
            allowed = response.headers.get("Allow", "")
            return problem(405, f"It takes {allowed}, not {request.method}.", headers={"Allow": allowed})
        return response

    return login_not_required(answer)


def _nothing_here(request: HttpRequest) -> HttpResponse:
    return problem(404, "There is nothing at this address: /api/v1/docs lists what there is.")


_nothing_here.csrf_exempt = True  # type: ignore[attr-defined]


def _named(schemas: dict[str, Any], text: str) -> dict[str, Any]:
    """Those that a text names, and those that they name: Ninja has one for each set of parameters too."""
    found: dict[str, Any] = {}
    while new := {name: told for name, told in schemas.items() if name not in found and f'/{name}"' in text}:
        found |= new
        text = json.dumps(new)
    return found


def _document_problems(operation: dict[str, Any]) -> None:
    responses = {str(status): told for status, told in operation["responses"].items()}
    statuses = {*_PROBLEMS_OF_ALL, *(int(status) for status in responses if status[0] in "45")}
    if "requestBody" in operation:
        statuses.update(_PROBLEMS_OF_A_BODY)
    if operation.get("parameters"):
        statuses.update((400, 422))  # 400: it holds a NUL character
    for status in statuses:
        told = responses.get(str(status), {})
        responses[str(status)] = {
            "description": told.get("description") or CODES[status].replace("_", " ").capitalize(),
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
    operation["responses"] = dict(sorted(responses.items()))


def make() -> BusAPI:
    """The API with all its routers."""
    made = BusAPI(
        title="Command bus",
        version=__version__,
        urls_namespace="commands:api",
        description=ABOUT,
        auth=READING,
        docs=TryIt(),
        parser=ExactParser(),
        renderer=ExactRenderer(),
    )
    handle_errors(made)
    for prefix, router in ROUTERS.items():
        made.add_router(prefix, router, tags=[prefix.strip("/").partition("/")[0] or "health"])
    return made


api = make()
