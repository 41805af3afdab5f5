"""What would become of the commands of a mix: how many are expected to end where, and each behavior's share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from django import forms
from django.core.exceptions import ValidationError

from commands.forms.outlooks import Outlook, outlook, typed_number
from commands.forms.sending_many import PartForm, SendManyForm
from commands.rules.formatting import Count
from commands.rules.words import Status
from settings_app.models import Configuration


@dataclass(frozen=True, kw_only=True)
class Part:
    """One behavior type: its ``form``, what becomes of such a command, its ``share`` in percent (None: not known)."""

    form: PartForm
    outlook: Outlook
    share: float | None

    @property
    def share_text(self) -> str:
        return "" if self.share is None else percent(self.share)


@dataclass(frozen=True, kw_only=True)
class End:
    """So many are expected to end in one of ``statuses``; several where it depends on the slots that are free."""

    statuses: Sequence[Status]
    count: Count


@dataclass(frozen=True, kw_only=True)
class MixOutlook:
    """``ends`` is empty where it cannot be told, and ``why`` says why."""

    parts: list[Part]
    ends: list[End]
    why: str = ""


def mix_outlook(form: SendManyForm, config: Configuration) -> MixOutlook:
    """With what stands in the form and the settings as they are."""
    in_turn = bool(form["in_turn"].value())
    weights = [_typed("weight", part) for part in form.parts]
    shares = shares_of([weight or 0 for weight in weights], in_turn=in_turn)
    parts = [
        Part(form=part, outlook=outlook(part.kind, part, form, config), share=None if weight is False else share)
        for part, weight, share in zip(form.parts, weights, shares, strict=True)
    ]
    count = _typed("count", form)
    if why := _unknown(parts, count):
        return MixOutlook(parts=parts, ends=[], why=why)
    sent = [(part.outlook.statuses, part.share) for part in parts if part.share]
    return MixOutlook(parts=parts, ends=ends(sent, int(count or 0), in_turn=in_turn))


def shares_of(weights: Sequence[float], *, in_turn: bool) -> list[float]:
    """In percent; all 0 where no weight is above it."""
    counted = [float(weight > 0) for weight in weights] if in_turn else list(weights)
    whole = sum(counted)
    return [100 * weight / whole if whole else 0.0 for weight in counted]


def ends(sent: Iterable[tuple[Sequence[Status], float]], count: int, *, in_turn: bool) -> list[End]:
    """Where ``count`` commands end that are sent in these shares (percent), most first. Exact where they take turns."""
    found: dict[tuple[Status, ...], float] = {}
    listed = list(sent)
    for place, (statuses, share) in enumerate(listed):
        taking_turns = count // len(listed) + (place < count % len(listed))
        found[tuple(statuses)] = found.get(tuple(statuses), 0) + (taking_turns if in_turn else count * share / 100)
    mark: Literal["", "≈"] = "" if in_turn or len(found) == 1 else "≈"
    most_first = sorted(found.items(), key=lambda item: -item[1])
    return [End(statuses=statuses, count=Count(round(number), mark)) for statuses, number in most_first]


def percent(share: float) -> str:
    """ "70 %", "0.5 %", "< 0.01 %"."""
    if 0 < share < 0.01:
        return "< 0.01 %"
    return f"{share:.2f}".rstrip("0").rstrip(".") + " %"


def _typed(name: str, form: forms.Form) -> float | Literal[False] | None:
    """A number; None where there is none, False where it may not be as it is."""
    try:
        number: float | None = typed_number(name, form)
    except ValidationError:
        return False
    return number


def _unknown(parts: Iterable[Part], count: float | Literal[False] | None) -> str:
    """Why it cannot be told; empty where it can."""
    if any(part.share is None for part in parts):
        return "A weight is not a number that it may be."
    if not any(part.share for part in parts):
        return "No behavior has a weight above 0."
    if not count:
        return "How many is not a number that it may be."
    unclear = [part.outlook.type for part in parts if part.share and not part.outlook.statuses]
    return f"It is not known what becomes of {', '.join(unclear)}." if unclear else ""
