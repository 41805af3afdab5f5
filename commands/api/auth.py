"""Who calls the API, and whether they may: by token, by the session of a login, or anonymously where all may read.

An operation that reads takes ``auth=READING``; one that changes something takes ``auth=changing(permission, purpose)``.
Afterwards ``request.user`` is the caller.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from ninja.security import HttpBearer
from ninja.security.apikey import APIKeyCookie

from commands.api.problems import ProblemError
from commands.reads.redacted import SEE_REDACTED, redactor
from commands.rules.redaction import Redactor
from e2e_site.tokens import Caller, caller_of, spend


class Token(HttpBearer):
    """``Authorization: Bearer TOKEN``. A token that is wrong is refused, whatever else the request carries."""

    def __init__(self, permission: str = "", purpose: str = "") -> None:
        super().__init__()
        self.permission, self.purpose = permission, purpose

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        caller = caller_of(token)
        if caller is None:
            raise ProblemError(
                401,
                "The token is unknown, revoked or expired.",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        request.user = caller.user
        _check(caller, self.permission, self.purpose)
        return caller


class Session(APIKeyCookie):
    """The session of a login; a change needs the CSRF token too."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self, permission: str = "", purpose: str = "") -> None:
        super().__init__()
        self.permission, self.purpose = permission, purpose

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        if not request.user.is_authenticated:
            return None
        caller = Caller(user=request.user)
        _check(caller, self.permission, self.purpose)
        return caller


def _anyone(request: HttpRequest) -> Any:
    return Caller(user=AnonymousUser()) if settings.PUBLIC_READ else None


def _check(caller: Caller, permission: str, purpose: str) -> None:
    if permission and not caller.may(permission):
        raise ProblemError(403, f"You need the permission {permission} to {purpose}.")


READING: list[Any] = [Token(), Session(), _anyone]


def sees_redacted(request: HttpRequest) -> bool:
    """Whether the caller may see the values under redacted keys."""
    return bool(request.auth.may(SEE_REDACTED))  # type: ignore[attr-defined]  # ninja puts it there


def redactor_of(request: HttpRequest) -> Redactor:
    """What takes away what the caller may not see."""
    return redactor(may_see=sees_redacted(request))


def changing(permission: str, purpose: str) -> list[Any]:
    """For callers with ``permission`` ("app.codename"); ``purpose`` ends the refusal's "You need … to"."""
    return [Token(permission, purpose), Session(permission, purpose)]


def sending_budget(request: HttpRequest, count: int) -> None:
    """Before an operation sends ``count`` commands: its token's budget pays for them.

    Raises SpentError, which becomes 429 with Retry-After; an operation that asks for it documents 429. To be called
    outside of a transaction, which would hold up the token's other calls until it ends.
    """
    spend(request.auth, count)  # type: ignore[attr-defined]  # ninja puts it there
