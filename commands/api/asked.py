"""What several operations ask for: pages of a list, domains, numbers and texts."""

from math import isfinite
from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import AfterValidator, Field

from commands.api.lists import MOST as MOST_LISTED
from commands.api.problems import ProblemError, invalid
from commands.reads import parked, queries
from commands.reads.listing import LARGEST_NUMBER
from commands.rules.payload import ExactNumber
from commands.rules.words import DOMAIN
from e2e_site.named_sql import Row
from e2e_site.texts import cut, storable

DOMAIN_LENGTH = 200
CURSOR = "What `next` of the page before was; empty for the first page."


def _storable(text: str) -> str:
    if storable(text) != text:
        raise ValueError("must not hold NUL characters or half surrogate pairs")
    return text


def a_number(value: Any) -> Any:
    """A JSON number: not true, not "5", not NaN."""
    number = isinstance(value, (int, float, ExactNumber)) and not isinstance(value, bool)
    if not number or (isinstance(value, float) and not isfinite(value)):
        raise ValueError("must be a number")
    return value


Text = Annotated[str, AfterValidator(_storable)]
Number = Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]  # of a row


class InDomain(Schema):
    domain: str = Field(
        "", max_length=DOMAIN_LENGTH, description=f"{DOMAIN} if left out.", json_schema_extra={"example": DOMAIN}
    )


class Paging(Schema):
    """Which page of a list."""

    limit: int = Field(20, ge=1, le=MOST_LISTED, description="The most items of a page.")
    cursor: str = Field("", description=CURSOR, max_length=100, json_schema_extra={"pattern": "^[0-9]{0,18}$"})


def domain_of(name: str) -> str:
    """The domain of that name, `DOMAIN` for an empty one. Raises ProblemError."""
    if not name or name == DOMAIN:
        return DOMAIN
    names, _ = queries.domains()
    if name not in names:
        raise invalid("domain", f"There is no domain {cut(name, 40)!r}.", allowed=", ".join(names))
    return name


def wrong_cursor() -> ProblemError:
    return invalid("cursor", "cursor must be what next of the page before was.")


def number_at(cursor: str) -> int | None:
    """The number that a cursor is; None for the first page. Raises ProblemError."""
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdecimal()) or len(cursor) > len(str(LARGEST_NUMBER)):
        raise wrong_cursor()
    if (number := int(cursor)) > LARGEST_NUMBER:
        raise wrong_cursor()
    return number


def cursor_of(number: int | None) -> str | None:
    return None if number is None else str(number)


def standing_of(command_id: UUID) -> Row:
    """``domain`` and ``status`` of a command. Raises ProblemError: 404."""
    row = parked.standing(command_id)
    if row is None:
        raise ProblemError(404, f"No command has the id {command_id}.")
    return row
