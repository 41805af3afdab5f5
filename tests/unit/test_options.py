"""e2e_site/options.py: what each type of option takes, and what it says of everything else."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from commands.rules.mix import parse_mix
from e2e_site.options import SECONDS, Age, NamedNumber, Number, told

Type = Callable[[str], Any]

WORKERS = Number(1, 64, unit="processes")
RATE = Number(Decimal("0.1"), 100_000, places=1)
SEED = Number(0, 2**63 - 1)
INTERVAL = Number(Decimal("0.05"), 60, places=2, unit="seconds")
AGE = Age(timedelta(hours=1), timedelta(days=3650))
SIZE = NamedNumber("CASE.NAME=N", Number(1, 1000))
MIX = told(parse_mix)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (WORKERS, "1", 1),
        (WORKERS, "64", 64),
        (WORKERS, "2.0", 2),
        (RATE, "0.1", 0.1),
        (RATE, "100000", 100_000.0),
        (INTERVAL, "0.25", 0.25),
        (SECONDS, "0", 0.0),
        (SECONDS, "12.345678", 12.345678),
        (SECONDS, "86400", 86_400.0),
        (SEED, "0", 0),
        (SEED, str(2**63 - 1), 2**63 - 1),
        (AGE, "1h", timedelta(hours=1)),
        (AGE, "36h", timedelta(hours=36)),
        (AGE, "30d", timedelta(days=30)),
        (AGE, "4w", timedelta(days=28)),
        (AGE, " 3650d ", timedelta(days=3650)),
        (SIZE, "drain.commands=5", ("drain.commands", 5)),
        (MIX, "success=1", {"success": 1.0}),
    ],
)
def test_what_is_allowed_becomes_a_value(kind: Type, text: str, value: object) -> None:
    read = kind(text)
    assert (read, type(read)) == (value, type(value))


NONSENSE = ["", " ", "ten", "nan", "inf", "-inf", "1e99", "-1", "0x1", "1,5", "\N{ARABIC-INDIC DIGIT TWO}"]


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"),
    [
        (WORKERS, "a whole number from 1 to 64 (processes)", ["0", "65", "1.5"]),
        (RATE, "a number with at most 1 decimal place from 0.1 to 100,000", ["0", "0.09", "0.15", "100000.1"]),
        (INTERVAL, "a number with at most 2 decimal places from 0.05 to 60 (seconds)", ["0.04", "0.055", "60.01"]),
        (SECONDS, "a number from 0 to 86,400 (seconds)", ["-0.1", "86400.001"]),
        (SEED, "a whole number from 0 to 9,223,372,036,854,775,807", ["0.5", str(2**63)]),
        (AGE, "an age from 1h to 3650d, such as 12h, 30d or 4w", ["0h", "30", "30 d", "3651d", "9999w", "1m", "1.5d"]),
        (SIZE, "CASE.NAME=N with a whole number from 1 to 1,000", ["drain", "=", "drain.commands=0", "a=b=1"]),
    ],
)
def test_everything_else_is_refused_with_what_is_allowed_and_what_was_typed(
    kind: Type, allowed: str, refused: list[str]
) -> None:
    for text in [*NONSENSE, *refused]:
        with pytest.raises(ArgumentTypeError) as caught:
            kind(text)
        assert str(caught.value) == f"must be {allowed}, not {text!r}."


def test_a_type_made_of_a_function_says_what_the_function_said() -> None:
    with pytest.raises(ArgumentTypeError, match=r"^'x' is no behavior; there are success, "):
        MIX("x=1")
