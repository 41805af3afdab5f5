"""How a visitor wants times: as "3 s ago", in UTC, or in the browser's own zone. A cookie remembers it."""

from enum import StrEnum

from django.http import HttpRequest

COOKIE = "times"


class Times(StrEnum):
    RELATIVE = "relative"
    UTC = "utc"
    LOCAL = "local"  # times.js writes them: only a browser knows its zone

    @property
    def label(self) -> str:
        return "UTC" if self == Times.UTC else self.capitalize()


def times_of(request: HttpRequest | None) -> Times:
    """What a request asks for; relative where it asks for nothing that there is."""
    asked = "" if request is None else request.COOKIES.get(COOKIE, "")
    return Times(asked) if asked in list(Times) else Times.RELATIVE
