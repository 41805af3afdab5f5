"""What all lists of the API have in common: how much is asked for, and what is answered beside the items."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from django.forms import BaseForm
from pydantic import BaseModel, Field, WithJsonSchema

from commands.api.problems import INVALID, ProblemError, form_errors
from commands.forms.command_list import LARGEST_ATTEMPTS
from commands.reads.listing import LARGEST_NUMBER, number_of

MOST = 100  # items of a page
NO_NUL = r"^[^\x00]*$"
_DAY, _CLOCK = r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2\d|3[01])", r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
TIME = rf"{_DAY}([T ]{_CLOCK}Z?)?"  # as the document has it; forms take more

# Numbers of a query that may be left out; there is no null in one.
OperationNumber = Annotated[
    int | None,
    Field(ge=1, le=LARGEST_NUMBER),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_NUMBER}),
]
LeastAttempts = Annotated[
    int | None,
    Field(ge=1, le=LARGEST_ATTEMPTS),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_ATTEMPTS}),
]


class PageQuery(BaseModel):
    """Which page."""

    limit: int = Field(20, ge=1, le=MOST, description="How many items.")
    cursor: str = Field("", max_length=200, pattern=NO_NUL, description="What `next` of the page before was.")

    @property
    def before(self) -> int | None:
        """The cursor of a list that is ordered by a number. Raises Http404 for what is none."""
        return number_of(self.cursor)


class PageOut(BaseModel):
    """A page looks at a bounded number of candidates: it may have few items, and yet a next one."""

    next: str | None = Field(description="The cursor of the next page; null at the end.")
    looked: int | None = Field(description="At how many candidates, where it stopped at its bound before it was full.")
    reach: datetime | None = Field(description="The time of the last of those.")


def refused(form: BaseForm, names: Mapping[str, str]) -> ProblemError:
    """422 with what a filter's form says is wrong; ``names`` are what its fields are called here where that differs."""
    errors = form_errors(form)
    for error in errors:
        error["field"] = names.get(error["field"], error["field"])
    return ProblemError(422, INVALID, errors=errors)
