"""Who may see and change what.

Reading needs a login, unless PUBLIC_READ is true. Whatever is not a plain read needs a login always; views that
change something ask for a permission on top, with `permission_needed`. With READ_ONLY nobody changes anything, and no
user has a permission that is not for reading: so pages offer nothing that would be refused.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from e2e_site.errors import permission_denied
from e2e_site.problem import is_for_api, problem
from e2e_site.roles import READ_ONLY, is_for_reading
from e2e_site.unavailable import unavailable

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
GetResponse = Callable[[HttpRequest], HttpResponse]
_SAFE = ("GET", "HEAD", "OPTIONS")


class HtmxHttpRequest(HttpRequest):
    """A request that passed django-htmx's middleware."""

    htmx: HtmxDetails


class ReadAccessMiddleware(LoginRequiredMiddleware):
    """Sends anonymous visitors to the login page, but from plain reads where PUBLIC_READ is true."""

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        if not getattr(view_func, "login_required", True):
            return None  # without asking who it is: a probe asks no database for it
        if settings.PUBLIC_READ and request.method in _SAFE:
            return None
        try:
            return super().process_view(request, view_func, view_args, view_kwargs)
        except Error as exc:  # before the view: with DEBUG Django would show a traceback
            if response := unavailable(request, exc):
                return response
            raise


def shown(request: HttpRequest) -> dict[str, Any]:
    """A context processor: ``read_only`` for the banner of all pages."""
    return {"read_only": settings.READ_ONLY}


class ReadOnlySiteMiddleware:
    """With READ_ONLY refuses every change but logins and logouts, and takes from users what they could not use."""

    _STILL = ("login", "logout", "admin:login", "admin:logout", "times")  # times: a cookie
    _FORMS = ("admin:password_change",)  # asks for no permission

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not settings.READ_ONLY:
            return self.get_response(request)
        user = request.user
        request.user = SimpleLazyObject(lambda: _for_reading_only(user))  # type: ignore[assignment]
        harmless = request.method in _SAFE and request.path not in map(reverse, self._FORMS)
        if harmless or request.path in map(reverse, self._STILL):
            return self.get_response(request)
        if is_for_api(request):
            return problem(403, READ_ONLY, code="read_only")
        return permission_denied(request, PermissionDenied(READ_ONLY))


def _for_reading_only(user: User | AnonymousUser) -> User | AnonymousUser:
    """The user of this request, whom Django's admin and all templates ask for permissions. Of a superuser it asks no
    backend, so it is the user that has to know."""
    has_perm = user.has_perm

    def may_see(permission: str, obj: Any = None) -> bool:
        return is_for_reading(permission) and has_perm(permission, obj)

    user.has_perm = may_see  # type: ignore[method-assign, assignment]
    return user


class RefusedFragmentMiddleware:
    """Refuses a fragment so that the page round it can act on it; a redirect would put the login form into its middle.

    Without a login the whole page goes to the login, and back to itself. A user whom another login would help is told
    in place.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HtmxHttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.htmx or not _leads_to_a_login(response):
            return response
        if request.user.is_authenticated:
            return permission_denied(request, PermissionDenied(f"{request.user.get_username()} may not open it."))
        page = request.htmx.current_url_abs_path or "/"
        return HttpResponseClientRedirect(redirect_to_login(page, reverse("login")).url)


def _leads_to_a_login(response: HttpResponse) -> bool:
    if response.status_code != 302:
        return False
    return urlsplit(response["Location"]).path in {reverse("login"), reverse("admin:login")}


class PermittedAdminSite(AdminSite):
    """Lets in who may see one of its pages, so that a permission is enough; staff as ever."""

    def has_permission(self, request: HttpRequest) -> bool:
        if super().has_permission(request):
            return True
        return any(page.has_view_or_change_permission(request) for page in self._registry.values())


def permission_needed(permission: str, purpose: str) -> Callable[[View[P]], View[P]]:
    """Allow a view to users with ``permission`` ("app.codename"); ``purpose`` ends the 403 page's "You need … to"."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if settings.READ_ONLY and not is_for_reading(permission):
                raise PermissionDenied(READ_ONLY)
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path(), reverse("login"))
            if not request.user.has_perm(permission):
                raise PermissionDenied(f"You need the permission {permission} to {purpose}.")
            return view(request, *args, **kwargs)

        return guarded

    return decorate
