"""The page on which a person asks for a bulk send: a mix of behaviors, sent by workers as an operation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from commands.bus import operations
from commands.forms.mix_outlook import mix_outlook
from commands.forms.sending_many import SendManyForm
from commands.pages.operations import operation_of
from commands.pages.send import behavior_again, payload_again
from commands.reads.listing import number_of
from commands.reads.redacted import redactor_for
from commands.rules.behaviors import BehaviorType
from commands.rules.mix import behaviors
from commands.rules.redaction import Redactor
from commands.rules.words import OperationKind
from e2e_site.access import permission_needed
from e2e_site.texts import cut
from settings_app.models import Configuration

_needs_permission = permission_needed("commands.add_testcommand", "send commands")


@dataclass(frozen=True, kw_only=True)
class Start:
    """What the form begins with: its own fields, and those of each behavior type; ``redacted`` values are left out."""

    common: Mapping[str, Any]
    parts: Mapping[BehaviorType, Mapping[str, Any]]
    redacted: int = 0


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A form that is filled in already."""

    label: str
    make: Callable[[Configuration], Start]


@require_http_methods(["GET", "HEAD", "POST"])
@_needs_permission
def page(request: HttpRequest) -> HttpResponse:
    """``?preset=NAME`` and ``?like=OPERATION`` fill the form."""
    config = Configuration.load()
    if request.method != "POST":
        start = _start(request, config)
        form = SendManyForm(initial=start.common, parts=start.parts)
        return _show(request, form, config, redacted=start.redacted)
    form = SendManyForm(request.POST)
    if not form.is_valid():
        return _show(request, form, config, status=400)
    operation_id = operations.send_many(
        form.mix(),
        operator=request.user.get_username(),
        reason=form.cleaned_data["reason"],
        rate=form.cleaned_data["rate"],
        key=form.cleaned_data["key"],
    )
    messages.success(request, f"Operation {operation_id} is asked for: workers send the commands.")
    return redirect("commands:operation", operation_id)


@require_safe
@_needs_permission
def live_outlook(request: HttpRequest) -> HttpResponse:
    """Shares and expected ends with what is typed so far."""
    config = Configuration.load()
    return render(request, "commands/_mix_outlooks.html", {"mix": mix_outlook(SendManyForm(request.GET), config)})


def _show(
    request: HttpRequest, form: SendManyForm, config: Configuration, *, status: int = 200, redacted: int = 0
) -> HttpResponse:
    form.show_setting(config.max_attempts)
    shown = {"form": form, "mix": mix_outlook(form, config), "presets": PRESETS, "redacted": redacted}
    return render(request, "commands/send_many.html", shown, status=status)


def _start(request: HttpRequest, config: Configuration) -> Start:
    """Raises Http404 for a preset or an operation that there is not."""
    if "like" in request.GET:
        return _like(request.GET["like"], redactor_for(request.user))
    if "preset" not in request.GET:
        return Start(common={}, parts={BehaviorType.SUCCESS: {"weight": 1}})
    name = request.GET["preset"]
    if name not in PRESETS:
        raise Http404(f"There is no preset {cut(name, 40)!r}: {' or '.join(PRESETS)}.")
    return PRESETS[name].make(config)


def _like(number: str, redactor: Redactor) -> Start:
    """The same again, seed and all; without a payload of which some is redacted."""
    operation = operation_of(number_of(number) or 0)
    if operation is None or operation["kind"] != OperationKind.SEND:
        raise Http404("There is no bulk send with that number, of which another could be sent.")
    spec = operation["spec"]
    parts = {
        part["behavior"]["type"]: {**behavior_again(part["behavior"], redactor), "weight": _plain(part["weight"])}
        for part in spec["parts"]
    }
    if len(parts) < len(spec["parts"]):
        raise Http404("That bulk send has a behavior type twice, which this form cannot show.")
    common = {name: spec[name] for name in ("seed", "in_turn", "reply", "max_attempts")}
    common |= {"count": operation["wanted"], "rate": operation["rate"], "reason": operation["reason"]}
    common |= payload_again(operation["payload"], redactor)
    return Start(common=common, parts=parts, redacted=redactor.hidden)


def _plain(weight: float) -> float:
    """70, not 70.0."""
    return int(weight) if weight == int(weight) else weight


def _each(config: Configuration) -> Start:
    each = behaviors(dict.fromkeys(BehaviorType, 1), execution_time_ms=0, lease_s=config.visibility_timeout)
    parts = {kind: {**behavior.to_json(), "weight": 1} for kind, behavior in each.items()}
    return Start(common={"count": len(BehaviorType), "in_turn": True}, parts=parts)


def _mixed(config: Configuration) -> Start:
    each = behaviors(MIXED, execution_time_ms=MIXED_TIME_MS, lease_s=config.visibility_timeout)
    parts = {kind: {**behavior.to_json(), "weight": MIXED[kind]} for kind, behavior in each.items()}
    return Start(common={"count": 10_000}, parts=parts)


MIXED_TIME_MS = 10
# No timeout: one such command keeps a slot for longer than its lease.
MIXED = {
    BehaviorType.SUCCESS: 70,
    BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED: 12,
    BehaviorType.FAIL_PERMANENT: 8,
    BehaviorType.BUSINESS_RULE: 5,
    BehaviorType.FAIL_TRANSIENT: 5,
}
PRESETS: Mapping[str, Preset] = {
    "each": Preset(label="Each behavior once", make=_each),
    "mixed": Preset(label="10,000 mixed", make=_mixed),
}
