"""What management commands have in common: exit codes, errors for people, and the types of their options. Pure.

A type is argparse's ``type=``: it is called with what a person typed and answers the value, or says what is allowed.
`e2e_site/command.py` makes one line of that, with the name of the option, and exit code 2::

    parser.add_argument("--workers", type=Number(1, 64, unit="processes"), metavar="N")
    CommandError: --workers must be a whole number from 1 to 64 (processes), not '65'.
"""

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from typing import TypeVar

T = TypeVar("T")

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class Exit(IntEnum):
    """How a management command ends. One that is killed ends by its signal instead, or with 128 and its number."""

    DONE = 0
    FAILED = 1  # something is not as promised, or went wrong; another try may go well
    REFUSED = 2  # the call or the set-up is wrong; another try is of no use before that is changed
    TIME_IS_UP = 3  # something was left when the time that was given was over
    INTERRUPTED = 130  # Ctrl-C came before the end


class SiteError(Exception):
    """Something that a person has to know: the text says what is wrong and what to do.

    A management command that meets one prints the text and ends with ``exit_code``.
    """

    exit_code = Exit.FAILED


@dataclass(frozen=True)
class Number:
    """A whole number, or a decimal number with at most so many ``places``; with None as many as it has."""

    low: Decimal | int
    high: Decimal | int
    places: int | None = 0
    unit: str = ""

    @property
    def range_text(self) -> str:
        """ "0.05 to 60"."""
        return f"{self.low:,} to {self.high:,}"

    @property
    def allowed(self) -> str:
        """ "a number with at most 2 decimal places from 0.05 to 60 (seconds)"."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self._kind} from {self.range_text}{unit}"

    @property
    def _kind(self) -> str:
        match self.places:
            case None:
                return "a number"
            case 0:
                return "a whole number"
            case places:
                return f"a number with at most {places} decimal place{'s' if places > 1 else ''}"

    def __call__(self, text: str) -> int | float:
        try:
            value = Decimal(text if text.isascii() else "")
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or not self.low <= value <= self.high:
            raise _refused(self.allowed, text)
        if self.places is not None and value != round(value, self.places):
            raise _refused(self.allowed, text)
        return int(value) if self.places == 0 else float(value)


SECONDS = Number(0, 86_400, places=None, unit="seconds")


@dataclass(frozen=True)
class Age:
    """How old something is: a whole number of hours, days or weeks."""

    shortest: timedelta
    longest: timedelta

    @property
    def allowed(self) -> str:
        """ "an age from 1h to 3650d, such as 12h, 30d or 4w"."""
        return f"an age from {_in_units(self.shortest)} to {_in_units(self.longest)}, such as 12h, 30d or 4w"

    def __call__(self, text: str) -> timedelta:
        found = re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip())
        age = int(found[1]) * _UNITS[found[2]] if found else timedelta(0)
        if found is None or not self.shortest <= age <= self.longest:
            raise _refused(self.allowed, text)
        return age


@dataclass(frozen=True)
class NamedNumber:
    """A name and its number, ``drain.commands=5000``; ``form`` shows how it is written."""

    form: str
    number: Number

    @property
    def allowed(self) -> str:
        """ "CASE.NAME=N with a whole number from 1 to 1,000"."""
        return f"{self.form} with {self.number.allowed}"

    def __call__(self, text: str) -> tuple[str, int | float]:
        name, _, number = text.partition("=")
        try:
            return name, self.number(number)
        except ArgumentTypeError:
            raise _refused(self.allowed, text) from None


def told(parse: Callable[[str], T]) -> Callable[[str], T]:
    """The type that ``parse`` makes, a person being told its ValueError."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except ValueError as exc:
            raise ArgumentTypeError(str(exc)) from exc

    return parsed


def _refused(allowed: str, text: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"must be {allowed}, not {text!r}.")


def _in_units(age: timedelta) -> str:
    return f"{age // _UNITS['d']}d" if age >= _UNITS["d"] else f"{age // _UNITS['h']}h"
