"""What a person may ask of the list of commands: its fields are the query of its address."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from commands.forms.sending import WholeNumberField
from commands.models import Domain, Operation
from commands.reads.listing import LARGEST_NUMBER, PAGE_SIZES, query_of
from commands.reads.redacted import NO_SEARCH, may_search
from commands.rules.behaviors import BehaviorType
from commands.rules.command_filter import ID_DIGITS, CommandFilter, id_range, moment
from commands.rules.payload import PayloadError, json_text, parse_json
from commands.rules.words import DOMAIN, OperationKind, Status
from e2e_site.texts import cut

LONGEST = 200  # characters of a typed text
LARGEST_ATTEMPTS = 2**31 - 1
PRESETS = {"15min": "15 min", "1h": "1 h", "24h": "24 h", "7d": "7 d"}

_TIME = 'a time in UTC, such as "2026-05-01 14:00", or how long ago, such as 15min, 24h or 7d'


class TextField(forms.CharField):
    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label=label, required=False, max_length=LONGEST, **kwargs)


class TimeField(TextField):
    """A time, or how long ago it is (`moment`)."""

    def clean(self, value: Any) -> Any:
        typed = super().clean(value)
        if not typed:
            return None
        found = moment(typed, timezone.now())
        if found is None:
            raise ValidationError(f"It must be {_TIME}, not {cut(typed, 60)!r}.")
        return found


class IdField(TextField):
    def clean(self, value: Any) -> Any:
        typed = super().clean(value)
        if not typed:
            return None
        found = id_range(typed)
        if found is None:
            raise ValidationError(
                f"An id has hexadecimal digits and dashes, {ID_DIGITS} digits at most: none begins with"
                f" {cut(typed, 60)!r}."
            )
        return found


class PayloadField(forms.CharField):
    """JSON that a payload contains, where it begins like an object; else a part of its text: (JSON, text)."""

    def clean(self, value: Any) -> Any:
        typed = super().clean(value)
        if not typed.startswith("{"):
            if len(typed) > LONGEST:
                raise ValidationError(f"A text to look for has at most {LONGEST} characters, not {len(typed):,}.")
            return "", typed
        try:
            return json_text(parse_json(typed), "It"), ""
        except PayloadError as exc:
            raise ValidationError(str(exc), code="payload") from exc


class FilterForm(forms.Form):
    """A valid one has a ``chosen``, a `CommandFilter`. Fields that are left empty do not matter.

    ``may_see``: who asks may see what is redacted, and so search in payloads.
    """

    status = forms.MultipleChoiceField(
        required=False,
        choices=Status.choices(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": f"status must be one of {', '.join(Status)}."},
    )
    id = IdField("Command id", widget=forms.TextInput(attrs={"placeholder": "or its beginning"}))
    code = TextField("Error code", strip=False)
    payload = PayloadField(
        label="Payload contains", required=False, widget=forms.TextInput(attrs={"placeholder": '{"order": 7} or words'})
    )
    type = TextField("Command type")
    attempts = WholeNumberField(
        "attempts", f"1 to {LARGEST_ATTEMPTS:,}", label="Attempts, at least", min_value=1, max_value=LARGEST_ATTEMPTS
    )
    correlation = forms.UUIDField(
        label="Correlation id", required=False, error_messages={"invalid": "A correlation id is a whole UUID."}
    )
    operation = WholeNumberField(
        "operation", f"1 to {LARGEST_NUMBER:,}", label="Operation", min_value=1, max_value=LARGEST_NUMBER
    )
    size = forms.ChoiceField(
        label="Rows",
        required=False,
        choices=[("" if size == PAGE_SIZES[0] else str(size), str(size)) for size in PAGE_SIZES],
        error_messages={"invalid_choice": f"size must be one of {', '.join(map(str, PAGE_SIZES))}."},
    )

    field_order = ["status", "id", "behavior", "code", "payload", "from", "to", "type"]

    def __init__(self, query: QueryDict, *, may_see: bool = False) -> None:
        super().__init__(_without_defaults(query))
        self._may_see = may_see
        asked = query.get("behavior", "")
        known = [kind.value for kind in BehaviorType]
        others = [asked] if asked and asked not in known and len(asked) <= LONGEST else []
        self.domains = list(Domain.objects.names())
        self.fields["behavior"] = _choice("Behavior", "Any", known + others)
        no_domain = f"There is no such domain: {' or '.join(self.domains)}."
        self.fields["domain"] = _choice("Domain", DOMAIN, self.domains, refusal=no_domain)
        self.fields["from"] = TimeField("Sent from", widget=forms.TextInput(attrs={"placeholder": "2026-05-01 14:00"}))
        self.fields["to"] = TimeField("Sent before", widget=forms.TextInput(attrs={"placeholder": "24h"}))
        self.order_fields(self.field_order)

    def clean_operation(self) -> Operation | None:
        number = self.cleaned_data["operation"]
        if number is None:
            return None
        found = Operation.objects.filter(operation_id=number).first()
        if found is None:
            raise ValidationError(f"There is no operation {number}.")
        return found

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = cleaned.get("from"), cleaned.get("to")
        if since and until and since >= until:
            self.add_error("to", "Nothing lies before this time and after the one it begins with.")
        if any(cleaned.get("payload", ())) and not may_search(may_see=self._may_see):
            self.add_error("payload", NO_SEARCH)
        return cleaned

    @property
    def chosen(self) -> CommandFilter:
        given = self.cleaned_data
        operation: Operation | None = given["operation"]
        is_send = operation is not None and operation.kind == OperationKind.SEND
        correlations = [given["correlation"]] if given["correlation"] else []
        if operation is not None and is_send:
            correlations.append(operation.correlation_id)  # that of all that it sends
        contains, text = given["payload"]
        return CommandFilter(
            domain=given["domain"] or (operation.domain if operation else DOMAIN),
            statuses=[Status(status) for status in given["status"]],
            behavior=given["behavior"],
            command_type=given["type"],
            since=given["from"],
            until=given["to"],
            code=given["code"],
            attempts=given["attempts"],
            operation=None if operation is None or is_send else operation.operation_id,
            correlations=correlations,
            ids=given["id"],
            contains=contains,
            text=text,
        )

    @property
    def rows(self) -> int:
        """How many a page has."""
        return int(self.cleaned_data["size"] or PAGE_SIZES[0])

    @property
    def asked(self) -> dict[str, list[str]]:
        """The query, without what is empty: a link to this very list."""
        return {name: values for name in self.fields if (values := _filled(self.data, name))}

    def link(self, **changes: Any) -> str:
        """The address of this list with other values; an empty one leaves a field out."""
        return reverse("commands:list") + query_of({**self.asked, **changes})


def _choice(label: str, default: str, names: Sequence[str], *, refusal: str = "") -> forms.ChoiceField:
    """One of some names; ``default`` is what leaving it empty means. ``refusal``: what is said of another name."""
    choices = [("", default), *((name, name) for name in names if name != default)]
    return forms.ChoiceField(label=label, required=False, choices=choices, error_messages={"invalid_choice": refusal})


def _filled(query: Mapping[str, Any], name: str) -> list[str]:
    values: Sequence[str] = query.getlist(name) if isinstance(query, QueryDict) else []
    return [value for value in values if value.strip()]


def _without_defaults(query: QueryDict) -> QueryDict:
    """The query without what says the same as nothing, so that each list has one address."""
    kept = query.copy()
    for name, default in (("domain", DOMAIN), ("size", str(PAGE_SIZES[0]))):
        if kept.get(name) == default:
            del kept[name]
    return kept
