"""Who may see and change what.

Reading needs a login, unless PUBLIC_READ is true. Whatever is not a plain read needs a login always; views that
change something ask for a permission on top, with `permission_needed`.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


class ReadAccessMiddleware(LoginRequiredMiddleware):
    """Sends anonymous visitors to the login page, but from plain reads where PUBLIC_READ is true."""

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        if settings.PUBLIC_READ and request.method in ("GET", "HEAD", "OPTIONS"):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(  # type: ignore[override]  # the middleware's caller takes any response
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseBase:
        # A redirect would put the login form into the middle of the page that asked for a fragment.
        if request.headers.get("HX-Request"):
            current = request.headers.get("HX-Current-URL", "/")
            return HttpResponseClientRedirect(redirect_to_login(current, reverse("login")).url)
        return super().handle_no_permission(request, view_func)


def permission_needed(permission: str, purpose: str) -> Callable[[View[P]], View[P]]:
    """Allow a view to users with ``permission`` ("app.codename"); ``purpose`` ends the 403 page's "You need … to"."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path(), reverse("login"))
            if not request.user.has_perm(permission):
                raise PermissionDenied(f"You need the permission {permission} to {purpose}.")
            return view(request, *args, **kwargs)

        return guarded

    return decorate
