"""Which behaviors a load test or a bulk send has, and in which proportions. Pure.

A mix is written ``success=70,fail_permanent=5``. Which command gets which behavior follows from the seed alone.
"""

from collections.abc import Iterator, Mapping
from random import Random

from commands.rules.behaviors import MAX_EXECUTION_TIME_MS, Behavior, BehaviorType

MAX_WEIGHT = 1_000_000
TIMEOUT_IN_LEASES = 1.5  # how long a command of behavior timeout works
_DRAWN_AT_ONCE = 1000

Weights = Mapping[BehaviorType, float]


class MixError(ValueError):
    """Not a mix; the text says what is wrong and what is allowed."""


def parse_mix(text: str) -> dict[BehaviorType, float]:
    """The weights that a person typed, in the order of `BehaviorType`; those of 0 left out. Raises `MixError`."""
    weights: dict[BehaviorType, float] = {}
    for item in text.split(","):
        name, found, number = (part.strip() for part in item.partition("="))
        if name not in set(BehaviorType):
            raise MixError(f"{name!r} is no behavior; there are {', '.join(BehaviorType)}.")
        kind = BehaviorType(name)
        if kind in weights:
            raise MixError(f"{name} is there twice.")
        weights[kind] = _weight(name, number if found else "")
    if not any(weights.values()):
        raise MixError("at least one weight must be above 0.")
    return {kind: weights[kind] for kind in BehaviorType if weights.get(kind)}


# The number that a part of a mix may name, "timeout:45000".
NUMBER_OF: Mapping[BehaviorType, str] = dict.fromkeys(BehaviorType, "execution_time_ms") | {
    BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED: "transient_failures"
}


def parse_parts(text: str) -> dict[BehaviorType, dict[str, str]]:
    """The fields of each part of ``success=70,fail_transient_then_succeed:2=20``: its weight, and its number as typed.

    Raises `MixError`.
    """
    numbers: dict[str, str] = {}
    weights = []
    for item in text.split(","):
        typed, equals, weight = item.partition("=")
        name, colon, number = (part.strip() for part in typed.partition(":"))
        if colon:
            if not (number.isascii() and number.isdecimal()):
                raise MixError(f"{name} needs a whole number behind the colon, as in {name}:2=20, not {number!r}.")
            numbers[name] = number
        weights.append(f"{name}{equals}{weight}")
    found = parse_mix(",".join(weights))
    return {
        kind: {"weight": f"{weight:g}", **({NUMBER_OF[kind]: numbers[kind]} if kind in numbers else {})}
        for kind, weight in found.items()
    }


def _weight(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MAX_WEIGHT:
        raise MixError(f"{name} needs a weight from 0 to {MAX_WEIGHT:,}, as in {name}=70, not {text!r}.")
    return value


def behaviors(weights: Weights, *, execution_time_ms: int, lease_s: int) -> dict[BehaviorType, Behavior]:
    """What a command of each type of the mix does."""
    times = dict.fromkeys(weights, execution_time_ms)
    if BehaviorType.TIMEOUT in times:
        longer = min(int(lease_s * 1000 * TIMEOUT_IN_LEASES), MAX_EXECUTION_TIME_MS)
        times[BehaviorType.TIMEOUT] = max(longer, execution_time_ms)
    return {kind: Behavior(type=kind, execution_time_ms=time) for kind, time in times.items()}


def drawn(each: Mapping[BehaviorType, Behavior], weights: Weights, seed: int) -> Iterator[Behavior]:
    """Behaviors without end, drawn by their weights; the same ones for the same seed."""
    random = Random(seed)  # noqa: S311  # it has to be repeatable, not secret
    while True:
        yield from random.choices([each[kind] for kind in weights], list(weights.values()), k=_DRAWN_AT_ONCE)
