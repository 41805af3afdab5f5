"""What a person fills in to start a run: a shipped scenario or one's own, a seed, an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from bench.runs.asked import AskedError, chosen, needs_sending, of_name, of_text
from bench.runs.variants import shipped
from bench.scenarios.yaml_file import MOST_BYTES
from commands.rules.words import Engine
from e2e_site.roles import is_allowed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import AnonymousUser, User

    from bench.scenarios.model import Scenario

LARGEST_SEED = 2**63 - 1
SENDING = "commands.add_testcommand"


class StartForm(forms.Form):
    """A valid form has ``scenario_to_run``, with the seed and the engine that were chosen."""

    scenario = forms.ChoiceField(label="Scenario", required=False, widget=forms.RadioSelect)
    text = forms.CharField(
        label="A scenario of your own",
        required=False,
        strip=False,
        max_length=MOST_BYTES,
        help_text="YAML, as in a file *.bench.yaml. Filled in, it is what runs.",
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false", "wrap": "off"}),
    )
    seed = forms.IntegerField(
        label="Seed",
        required=False,
        min_value=0,
        max_value=LARGEST_SEED,
        help_text="A whole number: the same seed makes the same commands and faults. The scenario's own if left empty.",
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value"), f"seed must be a whole number from 0 to {LARGEST_SEED:,}."
        ),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    engine = forms.ChoiceField(
        label="Engine of the workers",
        required=False,
        choices=[
            ("", "As the scenario says"),
            (Engine.NATIVE.value, "native, judged by the contract"),
            (Engine.LIBRARY.value, "library, judged as it is built"),
        ],
        help_text="Which code takes the commands and performs them.",
    )

    def __init__(self, user: User | AnonymousUser, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self._user = user
        self.fields["scenario"].choices = [(name, name) for name in shipped()]  # type: ignore[attr-defined]
        self.scenario_to_run: Scenario | None = None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        text, name = cleaned["text"].strip(), cleaned["scenario"]
        if not text and not name:
            self.add_error("scenario", "Choose a scenario, or write one.")
            return cleaned
        try:
            scenario = of_text(cleaned["text"]) if text else of_name(name)
            scenario = chosen(
                scenario, seed=cleaned["seed"], engine=Engine(cleaned["engine"]) if cleaned["engine"] else None
            )
        except AskedError as exc:
            for problem in exc.problems:
                self.add_error("text" if text else "engine", str(problem))
            return cleaned
        if needs_sending(scenario) and not is_allowed(self._user, SENDING):
            self.add_error("text", f"place: site sends into the site's database: you need the permission {SENDING}.")
            return cleaned
        self.scenario_to_run = scenario
        return cleaned
