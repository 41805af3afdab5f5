"""Texts made shorter for people: the one place that cuts them. Pure."""

_MARK = "…"


def cut(text: str, most: int) -> str:
    """``text`` in at most ``most`` characters; one that was longer ends with "…"."""
    return text if len(text) <= most else text[: most - 1] + _MARK


def one_line(error: BaseException) -> str:
    """The first line of an error's text, which says what is wrong; the error's type where there is no text.

    What PostgreSQL and libpq add on further lines are hints and positions.
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
