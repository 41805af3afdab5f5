"""Saved views: the filter of a list under a name, for the user who saved it. The link to one is the list's address."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import TooManyFieldsSent, ValidationError
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from commands.forms import parked
from commands.reads.listing import LARGEST_NUMBER, query_of
from e2e_site.models import SavedView

MOST = 50  # of one user
LONGEST_NAME = 60  # characters
LONGEST_QUERY = 2000

# Each list with its address, its title, and what of its query is its filter.
LISTS: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "commands": (
        "commands:list",
        "Commands",
        (
            "status", "id", "behavior", "code", "payload", "from", "to", "type", "attempts", "correlation",
            "operation", "domain", "size",
        ),
    ),
    "tsq": ("commands:tsq", "Troubleshooting queue", (*parked.NAMES, "domain", "size")),
    "audit": (
        "commands:audit",
        "Audit",
        ("event", "id", "operator", "operation", "text", "from", "to", "domain", "size"),
    ),
}  # fmt: skip


class NameForm(forms.Form):
    name = forms.CharField(
        max_length=LONGEST_NAME,
        error_messages={
            "required": "A view needs a name.",
            "max_length": f"The name of a view has at most {LONGEST_NAME} characters.",
        },
    )


class SaveForm(NameForm):
    page = forms.ChoiceField(
        choices=[(name, name) for name in LISTS],
        error_messages=dict.fromkeys(("required", "invalid_choice"), f"page must be one of {', '.join(LISTS)}."),
    )
    query = forms.CharField(required=False, strip=False)

    def clean(self) -> dict[str, Any]:
        """``query`` is what of it is the list's filter, as an address spells it."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "page" not in cleaned:
            return cleaned
        typed, cleaned["query"] = cleaned["query"].removeprefix("?"), ""
        try:
            cleaned["query"] = filter_of(cleaned["page"], QueryDict(typed))
        except TooManyFieldsSent as exc:
            raise ValidationError("query must be that of the list's address.") from exc
        if not cleaned["query"]:
            raise ValidationError("The list is not filtered: there is nothing to save.")
        if len(cleaned["query"]) > LONGEST_QUERY:
            raise ValidationError(f"The filter of a view has at most {LONGEST_QUERY:,} characters in its address.")
        return cleaned


def filter_of(page: str, query: QueryDict) -> str:
    """The filter of a list, as its address has it: ``?…``, in one order; empty for none."""
    names = LISTS[page][2]
    return query_of({name: [value for value in query.getlist(name) if value] for name in names})


def views_of(user: User, page: str) -> list[SavedView]:
    return list(SavedView.objects.filter(user=user, page=page).order_by("name")[:MOST])


@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All views of the user, list by list, to rename and delete them."""
    found = list(SavedView.objects.filter(user=_user(request)).order_by("name")[:MOST])
    lists = [
        (title, [(view, address_of(view)) for view in found if view.page == page])
        for page, (_, title, _) in LISTS.items()
    ]
    shown = {"lists": [(title, views) for title, views in lists if views], "most": MOST, "longest": LONGEST_NAME}
    return render(request, "commands/saved_views.html", shown)


@require_POST
@login_required
def save(request: HttpRequest) -> HttpResponse:
    """Keep the filter of a list (``page``, ``query``) under a ``name``, and go back to the list."""
    form = SaveForm(request.POST)
    problem = _save(request, form.cleaned_data) if form.is_valid() else _first_problem(form)
    asked = form.cleaned_data
    back = reverse(LISTS[asked["page"]][0]) + asked.get("query", "") if "page" in asked else "commands:saved_views"
    if problem:
        messages.error(request, f"The view was not saved. {problem}")
    else:
        messages.success(request, f"Saved as “{form.cleaned_data['name']}”. Its link is this page's address.")
    return redirect(back)


def _save(request: HttpRequest, asked: Mapping[str, str]) -> str:
    """Why it could not be saved; empty where it was."""
    try:
        with transaction.atomic():
            # One at a time for each user: the number of views is counted.
            User.objects.select_for_update().get(pk=_user(request).pk)
            if SavedView.objects.filter(user=_user(request)).count() >= MOST:
                return f"You have {MOST} views already: delete one first."
            SavedView.objects.create(user=_user(request), **{name: asked[name] for name in ("page", "name", "query")})
    except IntegrityError:
        return f"You have a view “{asked['name']}” of this list already."
    return ""


@require_POST
@login_required
def change(request: HttpRequest, view_id: int) -> HttpResponse:
    """Rename (``do=rename``, ``name``) or delete (``do=delete``) one of the user's own."""
    own = SavedView.objects.filter(user=_user(request), view_id=min(view_id, LARGEST_NUMBER))
    view = own.first()
    if view is None:
        raise Http404(f"You have no view with the number {view_id}.")
    match request.POST.get("do"):
        case "delete":
            own.delete()
            messages.success(request, f"The view “{view.name}” is deleted.")
        case "rename":
            _rename(request, view)
        case _:
            messages.error(request, "Nothing was done: do must be rename or delete.")
    return redirect("commands:saved_views")


def _rename(request: HttpRequest, view: SavedView) -> None:
    form = NameForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"The view keeps its name. {_first_problem(form)}")
        return
    name = form.cleaned_data["name"]
    try:
        with transaction.atomic():
            SavedView.objects.filter(pk=view.pk).update(name=name)
    except IntegrityError:
        messages.error(request, f"You have a view “{name}” of this list already.")
        return
    messages.success(request, f"The view is called “{name}” now.")


def address_of(view: SavedView) -> str:
    return reverse(LISTS[view.page][0]) + view.query


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)  # only who is logged in comes here


def _first_problem(form: forms.Form) -> str:
    return str(next(iter(form.errors.values()))[0])
