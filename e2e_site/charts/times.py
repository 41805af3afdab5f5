"""An axis of time: at which round times (UTC) something is written beside it. Pure."""

from datetime import UTC, datetime, timedelta

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STEPS_S = (
    *(10, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 2 * _HOUR, 3 * _HOUR, 4 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY),
)


def time_ticks(first: datetime, last: datetime, wanted: int = 7) -> list[tuple[datetime, str]]:
    """Round times from ``first`` to ``last``, ``wanted`` at most, and how each is written; midnight by its day."""
    length_s = (last - first).total_seconds()
    step = next((step for step in _STEPS_S if length_s / step <= wanted), _STEPS_S[-1])
    start = -(-first.timestamp() // step) * step
    number = int((last.timestamp() - start) // step) + 1
    moments = [datetime.fromtimestamp(start, UTC) + place * timedelta(seconds=step) for place in range(number)]
    return [(moment, _written(moment, step)) for moment in moments]


def _written(moment: datetime, step: int) -> str:
    if step >= _DAY or (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        return f"{moment:%b} {moment.day}"
    return f"{moment:%H:%M}" if step >= _MINUTE else f"{moment:%H:%M:%S}"
