"""Texts made fit to be read, stored or logged: cut where they are too long, without what does harm. Pure."""

import re

_MARK = "…"
_REPLACEMENT = "\ufffd"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL stores neither NUL nor half a surrogate pair
# What would begin a line, move a terminal's cursor or turn the order of letters round; half pairs cannot be printed.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

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
    return next(iter(text_of(error).strip().splitlines()), type(error).__name__)


def text_of(value: object) -> str:
    """``str(value)`` of anything, also of what refuses to be a text; "" for None."""
    if value is None:
        return ""
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # whatever a stranger's __str__ raises
        return f"{type(value).__name__} that has no text"


def storable(text: str) -> str:
    """``text`` with U+FFFD in place of each character that PostgreSQL cannot store."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def storable_in(text: str, most: int) -> str:
    """The same in at most ``most`` bytes of UTF-8; one that was longer ends with the number of characters left out."""
    kept = storable(text[:most])
    data = kept.encode()
    if len(text) <= most and len(data) <= most:
        return kept
    room = most - len(_left_out(len(text)).encode())
    kept = data[:room].decode(errors="ignore")
    return kept + _left_out(len(text) - len(kept))


def _left_out(characters: int) -> str:
    return f"{_MARK} ({characters:,} characters left out)"


def escaped(text: str) -> str:
    r"""``text`` on one line, as a terminal can bear it: "\n", "\x1b" and "\u202e" for such characters."""
    return _CONTROL.sub(lambda found: _SHORT.get(found[0]) or ascii(found[0])[1:-1], text)
