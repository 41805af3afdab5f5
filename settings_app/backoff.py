"""How long a retry waits. Pure."""


def backoff_ms(attempt: int, *, base_delay_ms: int, max_delay_ms: int, multiplier: float) -> int:
    """Milliseconds between attempt number ``attempt`` (from 1), which failed, and the next one.

    ``min(max_delay_ms, base_delay_ms * multiplier ** (attempt - 1))``, to the nearest millisecond.
    """
    if attempt < 1:
        raise ValueError(f"attempt counts from 1, not {attempt}.")
    delay = float(base_delay_ms)
    for _ in range(attempt - 1):
        if delay >= max_delay_ms:  # stop here: a power of the multiplier could overflow
            break
        delay *= multiplier
    return min(max_delay_ms, round(delay))


def library_schedule(max_attempts: int, *, base_delay_ms: int, max_delay_ms: int, multiplier: float) -> list[int]:
    """The same backoff for the library's ``RetryPolicy``, which knows whole seconds only: each step rounded up."""
    steps = (
        backoff_ms(attempt, base_delay_ms=base_delay_ms, max_delay_ms=max_delay_ms, multiplier=multiplier)
        for attempt in range(1, max_attempts)
    )
    return [-(-step // 1000) for step in steps]
