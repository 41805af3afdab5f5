"""What an operation raises instead of its answer, and what becomes of every error on its way out."""

from collections.abc import Callable, Mapping, Sequence

import psycopg
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, ValidationError
from django.db import Error
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError
from ninja.errors import ValidationError as NinjaValidationError

from e2e_site.problem import FieldError, problem
from e2e_site.texts import cut, storable
from e2e_site.tokens import SpentError
from e2e_site.unavailable import unavailable

_LONGEST_FIELD = 200  # characters: a key that is too much is a field, and may be of any length
INVALID = "Nothing was done: correct what is wrong."
LOGIN_NEEDED = "A token is needed (Authorization: Bearer …), or a login."


class ProblemError(Exception):
    """An answer of problem details, with these arguments of `e2e_site.problem.problem`."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.code = status, detail, code
        self.errors, self.headers = errors, headers

    def answer(self) -> HttpResponse:
        return problem(self.status, self.detail, code=self.code, errors=self.errors, headers=self.headers)


def invalid(field: str, message: str, *, allowed: str = "") -> ProblemError:
    """422 for one field."""
    error: FieldError = {"field": field, "message": message}
    return ProblemError(422, INVALID, errors=[{**error, "allowed": allowed} if allowed else error])


def invalid_form(form: BaseForm, *, prefix: str = "") -> ProblemError:
    """422 with everything that a form says is wrong; ``prefix`` goes before the names of its fields."""
    return ProblemError(422, INVALID, errors=form_errors(form, prefix=prefix))


def form_errors(form: BaseForm, *, prefix: str = "") -> list[FieldError]:
    """A form's errors, field by field; what is wrong with the whole has the field ``""``."""
    found: list[FieldError] = []
    for name, errors in form.errors.get_json_data().items():
        field = "" if name == "__all__" else f"{prefix}{name}"
        help_text = "" if name == "__all__" or name not in form.fields else str(form.fields[name].help_text)
        for error in errors:
            known: FieldError = {"field": field, "message": str(error["message"])}
            found.append({**known, "allowed": help_text} if help_text else known)
    return found


def handle_errors(api: NinjaAPI) -> None:
    """Give every error of an operation the shape of problem details."""
    for kind, answer in _ANSWERS.items():
        api.add_exception_handler(kind, answer)


def _raised(request: HttpRequest, exc: ProblemError) -> HttpResponse:
    return exc.answer()


def _unknown_caller(request: HttpRequest, exc: Exception) -> HttpResponse:
    return problem(401, LOGIN_NEEDED, headers={"WWW-Authenticate": "Bearer"})


def _spent(request: HttpRequest, exc: SpentError) -> HttpResponse:
    return problem(429, str(exc), headers={"Retry-After": str(exc.retry_after)})


def _http_error(request: HttpRequest, exc: HttpError) -> HttpResponse:
    if isinstance(exc.__cause__, ProblemError):  # Ninja calls whatever a parser raises a body that it cannot parse
        return exc.__cause__.answer()
    return problem(exc.status_code, str(exc))


def _wrong_value(request: HttpRequest, exc: ValidationError) -> HttpResponse:
    return problem(422, INVALID, errors=[{"field": "", "message": message} for message in exc.messages])


def _wrong_shape(request: HttpRequest, exc: NinjaValidationError) -> HttpResponse:
    return problem(422, INVALID, errors=[_shape_error(error) for error in exc.errors])


def _database(request: HttpRequest, exc: Exception) -> HttpResponse:
    response = unavailable(request, exc)
    if response is None:
        raise exc
    return response


def _defect(request: HttpRequest, exc: Exception) -> HttpResponse:
    raise exc  # Django logs it and answers 500


def _too_long(request: HttpRequest, exc: RequestDataTooBig) -> HttpResponse:
    return problem(413, f"A body has at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes.")


def _said(status: int, otherwise: str) -> Callable[[HttpRequest, Exception], HttpResponse]:
    def answer(request: HttpRequest, exc: Exception) -> HttpResponse:
        return problem(status, str(exc) or otherwise)

    return answer


def _shape_error(error: Mapping[str, object]) -> FieldError:
    """Pydantic's word on a value, by the way to it: ``("body", "sent", "count")`` is ``count``.

    What is in a model of a query has its name in between where it is a list: ``("query", "asked", "status", 0)``.
    """
    way = error.get("loc")
    steps = [str(step) for step in way] if isinstance(way, (list, tuple)) else []
    in_model = steps[:1] == ["body"] or (len(steps) > 2 and not steps[2].isdecimal())
    field = ".".join(steps[2:] if in_model else steps[1:])
    return {"field": storable(cut(field, _LONGEST_FIELD)), "message": storable(str(error["msg"]))}


_ANSWERS: Mapping[type[Exception], Callable[..., HttpResponse]] = {
    ProblemError: _raised,
    AuthenticationError: _unknown_caller,
    SpentError: _spent,
    HttpError: _http_error,
    Http404: _said(404, "There is no such thing."),
    PermissionDenied: _said(403, "You may not do this."),
    RequestDataTooBig: _too_long,
    BadRequest: _said(400, "The request cannot be read."),
    ValidationError: _wrong_value,
    NinjaValidationError: _wrong_shape,
    Error: _database,
    psycopg.Error: _database,
    Exception: _defect,
}
