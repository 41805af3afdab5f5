"""Texts made fit for people to read: cut where they are too long, with what cannot be seen made visible. Pure."""

import re

_MARK = "…"

# Controls, and what turns, hides or breaks a line: Unicode's categories Cc (not tab, not newline), Cf, Zl, Zp, Cs, and
# letters that look like nothing. Joiners stay in scripts and emoji that are written with them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)


def cut(text: str, most: int) -> str:
    """``text`` in at most ``most`` characters; one that was longer ends with "…"."""
    return text if len(text) <= most else text[: most - 1] + _MARK


def visible(text: str) -> str:
    """``text`` with what cannot be seen in it written as JSON writes it: U+202E as ``\\u202e``."""
    return _UNSEEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def one_line(error: BaseException) -> str:
    """The first line of an error's text, which says what is wrong; the error's type where there is no text.

    What PostgreSQL and libpq add on further lines are hints and positions.
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
