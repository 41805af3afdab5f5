"""The pages of API tokens: one's own, made and revoked; those of others, for who may see or end them."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from e2e_site.access import permission_needed
from e2e_site.models import ApiToken
from e2e_site.roles import READ_ONLY, TOKEN_RIGHTS, rights_of
from e2e_site.tokens import MAX_NAME_LENGTH, MOST_OF_A_USER, NameTakenError, TooManyTokensError, make, revoke

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LASTS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "1 year", "": "no end"}
SEE_OTHERS, END_OTHERS = "e2e_site.view_apitoken", "e2e_site.change_apitoken"
PAGE_SIZE = 50
LARGEST_NUMBER = 2**63 - 1


class TokenForm(forms.Form):
    """A new token: ``permissions`` are a subset of ``rights``, which its owner has; ``lasts`` is in days."""

    name = forms.CharField(
        max_length=MAX_NAME_LENGTH,
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
        help_text="Where it is used: it is how you will know it again.",
        error_messages={
            "required": "name must say what the token is for.",
            "max_length": f"name must be at most {MAX_NAME_LENGTH} characters.",
        },
    )
    lasts = forms.ChoiceField(
        label="Good for",
        required=False,
        initial="90",
        choices=list(LASTS.items()),
        widget=forms.Select(attrs={"class": "input"}),
        error_messages={"invalid_choice": "lasts must be 7, 30, 90 or 365 days, or empty for no end."},
    )
    permissions = forms.MultipleChoiceField(
        label="Rights", required=False, widget=forms.CheckboxSelectMultiple(attrs={"class": "mt-0.5"})
    )

    def __init__(self, data: Any = None, *, rights: dict[str, str]) -> None:
        super().__init__(data)
        field = cast("forms.MultipleChoiceField", self.fields["permissions"])
        field.choices = list(rights.items())
        allowed = ", ".join(rights) or "none"
        field.error_messages["invalid_choice"] = f"permissions must be rights that you have: {allowed}."


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """One's own tokens. A POST makes one: its answer shows it, and nothing else ever does."""
    user = cast("User", request.user)
    if request.method != "POST":
        return _shown(request, user, TokenForm(rights=rights_of(user)))
    form = TokenForm(request.POST, rights=rights_of(user))
    if not form.is_valid():
        return _shown(request, user, form, status=400)
    asked = form.cleaned_data
    lasts = timedelta(days=int(asked["lasts"])) if asked["lasts"] else None
    try:
        with transaction.atomic():
            token, text = make(user, name=asked["name"], permissions=asked["permissions"], lasts=lasts)
            _write_down(
                request, token, ADDITION, f"Made token {token.prefix}… ({', '.join(token.permissions) or 'reading'})."
            )
    except NameTakenError:
        form.add_error("name", "You have a token of this name already: revoke it first, or choose another name.")
        return _shown(request, user, form, status=409)
    except TooManyTokensError:
        form.add_error(None, f"You have {MOST_OF_A_USER} tokens, which is the most: revoke one first.")
        return _shown(request, user, form, status=409)
    return _shown(request, user, TokenForm(rights=rights_of(user)), made={"token": token, "text": text})


def _shown(
    request: HttpRequest, user: "User", form: TokenForm, *, made: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    tokens = _with_rights(ApiToken.objects.filter(user=user, revoked_at=None).order_by("-token_id")[:MOST_OF_A_USER])
    shown = {
        "form": form,
        "made": made,
        "tokens": tokens,
        "now": _now(),
        "most": MOST_OF_A_USER,
        "full": len(tokens) >= MOST_OF_A_USER,
        "may_see_others": user.has_perm(SEE_OTHERS),
    }
    return render(request, "tokens/own.html", shown, status=status)


@require_safe
@permission_needed(SEE_OTHERS, "see the tokens of others")
def everybodys(request: HttpRequest) -> HttpResponse:
    """The tokens of all users, newest first, or of the one named by ``?user=``; ``?before=`` is where a page begins."""
    username = request.GET.get("user", "").strip()
    tokens = ApiToken.objects.select_related("user").filter(revoked_at=None).order_by("-token_id")
    if username:
        tokens = tokens.filter(user__username=username)
    before = request.GET.get("before", "")
    if before:
        if not (before.isascii() and before.isdecimal() and len(before) < 19):
            raise Http404("This page begins nowhere.")
        tokens = tokens.filter(pk__lt=int(before))
    found = _with_rights(tokens[: PAGE_SIZE + 1])
    kept: dict[str, Any] = {"user": username} if username else {}
    more = urlencode({**kept, "before": found[PAGE_SIZE - 1].pk}) if len(found) > PAGE_SIZE else ""
    shown = {
        "tokens": found[:PAGE_SIZE],
        "now": _now(),
        "username": username,
        "first": not before,
        "more": more,
        "may_end": request.user.has_perm(END_OTHERS),
    }
    return render(request, "tokens/everybodys.html", shown)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def end(request: HttpRequest, token_id: int) -> HttpResponse:
    """GET asks, POST revokes it. One's own, or with the permission anybody's."""
    token = ApiToken.objects.select_related("user").filter(pk=token_id).first() if token_id <= LARGEST_NUMBER else None
    own = token is not None and token.user_id == request.user.pk
    may_end = own or request.user.has_perm(END_OTHERS)
    if token is None or not (may_end or request.user.has_perm(SEE_OTHERS)):
        raise Http404(f"You have no token with the number {token_id}.")
    if not may_end:
        needed = f"You need the permission {END_OTHERS} to revoke the tokens of others."
        raise PermissionDenied(READ_ONLY if settings.READ_ONLY else needed)
    back = "tokens" if own else "all_tokens"
    if request.method != "POST":
        return render(request, "tokens/revoke.html", {"token": token, "own": own, "back": back, "now": _now()})
    with transaction.atomic():
        ended = revoke(token)
        if ended:
            _write_down(request, token, CHANGE, f"Revoked token {token.prefix}… of {token.user.get_username()}.")
    if ended:
        messages.success(request, f"The token {token.name} is revoked: from now on it is refused.")
    else:
        messages.info(request, f"The token {token.name} was revoked already.")
    return redirect(back)


def _with_rights(tokens: "QuerySet[ApiToken]") -> list[ApiToken]:
    """Each with ``rights``, in words; ``expired``: it is over, by the database's clock."""
    found, now = list(tokens), _now()
    for token in found:
        token.rights = [TOKEN_RIGHTS.get(right, right) for right in token.permissions]  # type: ignore[attr-defined]
        token.expired = token.expires_at is not None and token.expires_at <= now  # type: ignore[attr-defined]
    return found


def _write_down(request: HttpRequest, token: ApiToken, flag: int, what: str) -> None:
    LogEntry.objects.log_actions(cast("User", request.user).pk, [token], flag, what, single_object=True)


def _now() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
