"""Which parked commands a page of the troubleshooting queue is about: as an address, as a form, in words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms

from commands.bus.operations import ParkedFilter
from commands.rules.behaviors import MAX_ERROR_CODE_LENGTH, BehaviorType
from commands.rules.words import OutcomeKind
from e2e_site.texts import cut, visible

WITHOUT = "(none)"  # stands for those without a code, a type of error or a behavior: in an address empty is any
NAMES = ("code", "error_type", "behavior", "text", "from", "to")
MOST_TEXT = 200  # characters that a message may be searched for
WORDS_SHOWN = 60  # characters of a text in a filter's words
_ERROR_TYPES = (OutcomeKind.TRANSIENT.name, OutcomeKind.PERMANENT.name)
_STRIPPED = ("text", "from", "to")
_YEARS = range(2000, 3000)


class MomentField(forms.DateTimeField):
    """A time in UTC, typed or picked; ``name`` is in what is said of anything else."""

    def __init__(self, name: str, *, label: str, help_text: str) -> None:
        problem = f"{name} must be a time such as 2026-05-01T14:30, in UTC, of the years 2000 to 2999."
        widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S")
        messages = {"invalid": problem}
        super().__init__(required=False, label=label, help_text=help_text, widget=widget, error_messages=messages)

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        if moment is not None and moment.year not in _YEARS:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return moment


def _choice(label: str, known: tuple[str, ...], name: str) -> forms.CharField:
    choices = [("", "any"), *((word, word) for word in known), (WITHOUT, "none")]
    problem = f"{name} must be at most {MAX_ERROR_CODE_LENGTH} characters."
    return forms.CharField(
        label=label,
        required=False,
        strip=False,  # what a program wrote is met as it is
        max_length=MAX_ERROR_CODE_LENGTH,
        widget=forms.Select(choices=choices),
        error_messages={"max_length": problem},
    )


class FilterForm(forms.Form):
    """The filter of a list; everything may be left empty. A valid form has ``chosen``."""

    code = forms.CharField(
        label="Error code",
        required=False,
        strip=False,
        max_length=MAX_ERROR_CODE_LENGTH,
        help_text=f"The whole code, or {WITHOUT}.",
        error_messages={"max_length": f"code must be at most {MAX_ERROR_CODE_LENGTH} characters."},
    )
    error_type = _choice("Error type", _ERROR_TYPES, "error_type")
    behavior = _choice("Behavior", tuple(BehaviorType), "behavior")
    text = forms.CharField(
        label="Message contains",
        required=False,
        max_length=MOST_TEXT,
        help_text="Upper or lower case.",
        error_messages={"max_length": f"text must be at most {MOST_TEXT} characters."},
    )

    def __init__(self, data: Mapping[str, str]) -> None:
        super().__init__(data)
        # "from" is no name that a class could have.
        self.fields["from"] = MomentField("from", label="Parked from", help_text="UTC, included.")
        self.fields["to"] = MomentField("to", label="Parked to", help_text="UTC, included.")
        for name in ("error_type", "behavior"):
            self._offer(name, data.get(name, ""))

    def _offer(self, name: str, word: str) -> None:
        """A word that another program wrote is chosen like ours."""
        select = self.fields[name].widget
        if word and word not in {value for value, _ in select.choices}:
            select.choices = [*select.choices, (word, visible(cut(word, WORDS_SHOWN)))]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        start, end = cleaned.get("from"), cleaned.get("to")
        if start and end and start > end:
            self.add_error("to", "to must not be before from.")
        return cleaned

    @property
    def is_filtered(self) -> bool:
        """Whether anything of it is filled in."""
        return bool(self.values())

    def chosen(self, until: datetime) -> ParkedFilter:
        """What a valid form chooses among those that were parked until then."""
        cleaned = self.cleaned_data
        end = cleaned["to"]
        return ParkedFilter(
            until=min(until, end) if end else until,
            since=cleaned["from"],
            code=_meant(cleaned["code"]),
            error_type=_meant(cleaned["error_type"]),
            behavior=_meant(cleaned["behavior"]),
            text=cleaned["text"],
        )

    def values(self) -> dict[str, str]:
        """What is filled in, as an address or a form carries it on."""
        filled = {name: self.data.get(name, "") for name in NAMES}
        return {name: value for name, value in filled.items() if (value.strip() if name in _STRIPPED else value)}


def _meant(word: str) -> str | None:
    return "" if word == WITHOUT else word or None


def looked_until(text: str, now: datetime) -> datetime:
    """When an operator looked, no later than now, since what is parked from now on nobody has seen; now if left empty.

    Raises ValueError, which says what is wrong.
    """
    if not text:
        return now
    try:
        return min(datetime.fromisoformat(text).astimezone(UTC), now)
    except (ValueError, OverflowError) as exc:
        wrong = cut(text, 40)
        raise ValueError(f"until must be a time such as 2026-05-01T14:30:00+00:00, not “{wrong}”.") from exc


def spelled(word: str) -> str:
    """How a code, a type or a behavior is spelled in an address."""
    return word or WITHOUT


def in_words(values: Mapping[str, str]) -> str:
    """ "error code E1, behavior fail_permanent"; empty for no filter. ``values`` are those of `FilterForm.values`."""
    said = {
        "code": "error code {}",
        "error_type": "error type {}",
        "behavior": "behavior {}",
        "text": "message contains “{}”",
        "from": "parked from {} UTC",
        "to": "parked to {} UTC",
    }
    parts = []
    for name, pattern in said.items():
        if value := values.get(name):
            parts.append(f"no {pattern[:-3]}" if value == WITHOUT and name != "text" else pattern.format(_said(value)))
    return ", ".join(parts)


def _said(value: str) -> str:
    return visible(cut(value, WORDS_SHOWN))
