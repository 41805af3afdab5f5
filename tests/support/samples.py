"""Samples as the sampler writes them, for tests of what reads them."""

from datetime import datetime
from typing import Any

from django.db import connection

from commands.rules.grid import KEPT, floor

_ZERO = (
    *("visible", "in_flight", "delayed", "tsq", "workers"),
    *("sent", "received", "completed", "retried", "parked", "failed", "canceled", "late", "first_audit", "last_audit"),
)


def add_sample(at: datetime, width_s: int = 10, **values: Any) -> None:
    """One row of ``e2e_sample``; what is not given is 0, or empty."""
    row = {"domain": "test", "width_s": width_s, "at": at, "seconds": width_s, **dict.fromkeys(_ZERO, 0), **values}
    names = ", ".join(row)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO public.e2e_sample ({names}) VALUES ({', '.join(['%s'] * len(row))})",
            list(row.values()),
        )


def add_history(now: datetime, **per_second: int) -> None:
    """A sampler's rows of seven days up to ``now``, in all widths, with so many of each count in a second."""
    names, values = ", ".join(per_second), ", ".join(f"{number} * %(width)s" for number in per_second.values())
    others = [name for name in _ZERO if name not in per_second]
    for width, kept in KEPT.items():
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO public.e2e_sample (domain, width_s, at, seconds, {names}, {", ".join(others)})
                SELECT 'test', %(width)s, at, %(width)s, {values}, {", ".join("0" * len(others))}
                FROM generate_series(%(since)s, %(until)s - interval '1 ms', make_interval(secs => %(width)s)) at
                """,
                {"width": width, "since": floor(now, width) - min(kept, KEPT[60]), "until": floor(now, width)},
            )


def sampled(at: datetime) -> None:
    """The sampler's last sign of life."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE public.e2e_sampler SET sampled_at = %s, sampler = 'here:1'", [at])
