"""Operators' actions on parked commands: asked for on a list, looked at on a page of their own, confirmed, done.

The commands are ``ids``, or with ``scope=matching`` all that the filter meets; a filter that is empty has to come with
``all=yes``. What was parked after ``until``, when the operator looked, is left alone. ``back`` is the page to go to
when it is done.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from commands.bus.operations import MOST_IDS, ParkedFilter, asked_before, operate_on
from commands.bus.operators import Acted, act, why
from commands.forms.operating import BEHAVIOR_FIELDS, FORMS, MOST_AT_ONCE, ConfirmForm
from commands.forms.parked import FilterForm, in_words, looked_until
from commands.pages import tsq
from commands.reads import parked
from commands.reads.listing import query_of
from commands.rules.formatting import Count
from commands.rules.operating import DONE, EFFECTS, commands_text, left_text
from commands.rules.words import OperationKind
from e2e_site.access import permission_needed
from e2e_site.texts import cut

LEFT_TOLD = 5
KINDS = tuple(FORMS)


class AskError(ValueError):
    """Nothing that could be done; the text says what is wrong and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which action on which commands. ``carried``: names and values that ask for it again, to be confirmed."""

    kind: OperationKind
    domain: str
    chosen: ParkedFilter
    carried: list[tuple[str, str]]
    words: str
    back: str

    @property
    def ids(self) -> list[UUID]:
        return list(self.chosen.ids)

    def count(self) -> Count:
        return parked.met(self.domain, self.chosen)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_needed(tsq.PERMISSION, "retry, cancel or complete commands")
def page(request: HttpRequest) -> HttpResponse:
    """A POST without ``confirm`` gets the page that asks for it. Whoever comes otherwise is led to the list."""
    if request.method != "POST":
        return redirect("commands:tsq")
    domain = tsq.domain_of(request.POST)
    try:
        asked = asked_of(request.POST, domain=domain, now=parked.moment(domain)["now"])
    except AskError as exc:
        return tsq.listed(request, request.POST, problem=str(exc))
    count = asked.count()
    if "confirm" not in request.POST:
        status = 200 if count.value else 409
        return _shown(request, asked, FORMS[asked.kind](count=count.value), count, status=status)
    form = FORMS[asked.kind](request.POST, count=count.value)
    if not form.is_valid():
        return _shown(request, asked, form, count, status=400)
    if asked.ids and len(asked.ids) <= MOST_AT_ONCE and not form.is_gradual:
        return _act_at_once(request, asked, form)
    return _ask_for_operation(request, asked, form, count)


def _act_at_once(request: HttpRequest, asked: Asked, form: ConfirmForm) -> HttpResponse:
    action = form.action(request.user.get_username())
    acted = act(action, asked.ids, domain=asked.domain, until=asked.chosen.until)
    done = len(acted.done)
    if done:
        messages.success(request, f"{commands_text(done)} {'was' if done == 1 else 'were'} {DONE[asked.kind]}.")
    if acted.left:
        messages.warning(request, _told(acted))
    return redirect(asked.back)


def _ask_for_operation(request: HttpRequest, asked: Asked, form: ConfirmForm, count: Count) -> HttpResponse:
    """The operation that does it, or did it already, where the same form was sent before."""
    cleaned = form.cleaned_data
    number = asked_before(cleaned["key"])
    if number is None:
        if not count.value:
            return _shown(request, asked, form, count, status=409)
        action = form.action(request.user.get_username())
        number = operate_on(
            asked.chosen,
            action,
            rate=cleaned["rate"],
            canary=cleaned.get("canary"),
            domain=asked.domain,
            key=cleaned["key"],
        )
    return redirect("commands:operation", number)


def _shown(request: HttpRequest, asked: Asked, form: ConfirmForm, count: Count, *, status: int) -> HttpResponse:
    gone = {}
    if not count.value and asked.ids:
        gone = why(asked.ids, domain=asked.domain, until=asked.chosen.until)
    behavior = [form[name] for name in BEHAVIOR_FIELDS if name in form.fields]
    gradual = [form[name] for name in ("rate", "canary") if name in form.fields]
    set_apart = {"type", "typed", "seen", "key", "rate", "canary", *BEHAVIOR_FIELDS}
    named = tsq.domain_named(asked.domain)
    shown: dict[str, Any] = {
        "asked": asked,
        "domain": named.get("domain"),
        "domain_query": query_of(named),
        "form": form,
        "count": count,
        "commands": commands_text(count.value),
        "key": form.key_sent or uuid4(),
        "effect": EFFECTS[asked.kind],
        "behavior_fields": behavior,
        "gradual_fields": gradual,
        "gradual_open": any(field.errors or field.value() for field in gradual),
        "fields": [field for field in form if field.name not in set_apart],
        "at_once": asked.ids and len(asked.ids) <= MOST_AT_ONCE,
        "left": [(command_id, left_text(**vars(left))) for command_id, left in list(gone.items())[:LEFT_TOLD]],
    }
    return render(request, "commands/tsq_act.html", shown, status=status)


def _told(acted: Acted) -> str:
    lines = [f"{command_id} {left_text(**vars(left))}" for command_id, left in list(acted.left.items())[:LEFT_TOLD]]
    more = len(acted.left) - len(lines)
    count = len(acted.left)
    left = f"{commands_text(count)} {'was' if count == 1 else 'were'} left as {'it is' if count == 1 else 'they are'}: "
    return left + "; ".join(lines) + (f"; and {more:,} more." if more else ".")


def asked_of(sent: QueryDict, *, domain: str, now: datetime) -> Asked:
    """What was asked for; ``until`` is ``now`` unless it is said. Raises AskError."""
    kind = _kind(sent.get("action", ""))
    try:
        until = looked_until(sent.get("until", ""), now)
    except ValueError as exc:
        raise AskError(str(exc)) from exc
    if sent.get("scope", "") == "matching":
        return _matching(kind, domain, until, sent)
    ids = list(dict.fromkeys(_ids(sent)))
    if not ids:
        raise AskError("No command is selected: select some, or all that match.")
    if len(ids) > MOST_IDS:
        raise AskError(f"{len(ids):,} commands are selected: at most {MOST_IDS:,}, or all that match a filter.")
    detail = reverse("commands:detail", args=ids) if len(ids) == 1 else reverse("commands:tsq")
    return Asked(
        kind=kind,
        domain=domain,
        chosen=ParkedFilter(until=until, ids=ids),
        carried=[*_common(kind, domain, until, sent), *(("ids", str(command_id)) for command_id in ids)],
        words="the selected ones" if len(ids) > 1 else f"command {ids[0]}",
        back=_back(sent, detail),
    )


def _matching(kind: OperationKind, domain: str, until: datetime, sent: QueryDict) -> Asked:
    form = FilterForm(sent)
    if not form.is_valid():
        raise AskError("The filter is wrong: correct what is marked below.")
    values = form.values()
    if not values and sent.get("all") != "yes":
        raise AskError("The filter is empty: choose all explicitly, or filter.")
    everything = [] if values else [("all", "yes")]
    return Asked(
        kind=kind,
        domain=domain,
        chosen=form.chosen(until),
        carried=[*_common(kind, domain, until, sent), ("scope", "matching"), *values.items(), *everything],
        words=in_words(values) or "the whole troubleshooting queue",
        back=_back(sent, reverse("commands:tsq")),
    )


def _common(kind: OperationKind, domain: str, until: datetime, sent: QueryDict) -> Iterator[tuple[str, str]]:
    yield "action", kind.value
    yield from tsq.domain_named(domain).items()
    yield "until", until.isoformat()
    yield "back", sent.get("back", "")


def _kind(word: str) -> OperationKind:
    if word not in KINDS:
        raise AskError(f"action must be one of {', '.join(KINDS)}, not “{cut(word, 40)}”.")
    return OperationKind(word)


def _ids(sent: QueryDict) -> Iterator[UUID]:
    for text in sent.getlist("ids"):
        try:
            yield UUID(text)
        except ValueError as exc:
            raise AskError(f"ids must be command ids, not “{cut(text, 40)}”.") from exc


def _back(sent: QueryDict, otherwise: str) -> str:
    """A page of this site."""
    back = sent.get("back", "")
    return back if back.startswith("/") and url_has_allowed_host_and_scheme(back, None) else otherwise
