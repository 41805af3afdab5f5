"""Over which time, and in columns how wide, figures are asked for."""

from datetime import datetime, timedelta
from typing import Any

from django import forms

from commands.forms.command_list import TimeField
from commands.forms.sending import WholeNumberField
from commands.rules.chart_ranges import width_text
from commands.rules.grid import LONGEST, MOST, WIDTHS, Grid, oldest_of, width_for

LARGEST_MINUTES = int(LONGEST.total_seconds()) // 60
DEFAULT_MINUTES = 60
_TOO_OLD = f"Nothing is kept for longer than {LONGEST.days} days: the window must lie within them."
WIDTHS_TEXT = ", ".join(map(str, WIDTHS))


class WindowForm(forms.Form):
    """A valid one has a ``grid``. ``now`` is the database's clock: the window ends there unless ``until`` is earlier.

    It begins at ``since``, or so many ``minutes`` before its end; without both, `DEFAULT_MINUTES`.
    """

    minutes = WholeNumberField(
        "minutes",
        f"1 to {LARGEST_MINUTES:,}",
        min_value=1,
        max_value=LARGEST_MINUTES,
        help_text=f"1 to {LARGEST_MINUTES:,}; {DEFAULT_MINUTES} if left empty.",
    )
    since = TimeField("Since", help_text="A time in UTC, or how long ago, such as 24h; within the last 90 days.")
    until = TimeField("Until", help_text="A time in UTC, or how long ago; now if left empty.")
    width = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        choices=[(str(width), str(width)) for width in WIDTHS],
        help_text=f"Seconds of a column: one of {WIDTHS_TEXT}; what gives at most 100 columns if left empty.",
        error_messages={"invalid_choice": f"width must be one of {WIDTHS_TEXT}."},
    )

    def __init__(self, data: Any, *, now: datetime) -> None:
        super().__init__(data)
        self._now = now

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        if cleaned["since"] and cleaned["minutes"]:
            self.add_error("minutes", "since and minutes both say where the window begins: leave one of them out.")
            return cleaned
        if cleaned["until"] and self._now - cleaned["until"] > LONGEST:
            self.add_error("until", _TOO_OLD)
            return cleaned
        since, until = self._span(cleaned)
        if since >= until:
            name = "until" if cleaned["until"] and cleaned["until"] <= self._now else "since"
            self.add_error(name, "The window must begin before it ends, and before now.")
        elif self._now - since > LONGEST + timedelta(seconds=1):
            # What is typed as "90d" was so when the form was sent.
            self.add_error("since", _TOO_OLD)
        else:
            self._check_width(cleaned, since, until)
        return cleaned

    @property
    def grid(self) -> Grid:
        since, until = self._span(self.cleaned_data)
        width_s = self.cleaned_data["width"] or width_for(until - since, self._now - since)
        return Grid.between(since, until, width_s=width_s, now=self._now)

    def _span(self, cleaned: dict[str, Any]) -> tuple[datetime, datetime]:
        until = min(cleaned["until"] or self._now, self._now)
        minutes = timedelta(minutes=cleaned["minutes"] or DEFAULT_MINUTES)
        return cleaned["since"] or until - minutes, until

    def _check_width(self, cleaned: dict[str, Any], since: datetime, until: datetime) -> None:
        width = cleaned["width"]
        if width is None:
            return
        kept = oldest_of(width)
        if self._now - since > kept + timedelta(minutes=1):
            hours = int(kept.total_seconds()) // 3600
            self.add_error("width", f"Columns of {width_text(width)} are kept for {hours:,} h: ask for wider ones.")
        elif (until - since).total_seconds() > MOST * width:
            self.add_error("width", f"That would be more than {MOST} columns: ask for wider ones, or for less time.")
