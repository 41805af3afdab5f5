"""Shapes that several operations share."""

from pydantic import BaseModel, Field


class FieldProblem(BaseModel):
    """One thing that is wrong in a request."""

    field: str = Field(description="Its way in the request, such as parts.0.weight; empty for the whole.")
    message: str
    allowed: str | None = Field(None, description="What may stand there.")


class ProblemDetails(BaseModel):
    """Why a request was not fulfilled (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="The reason for programs, such as invalid or not_found.")
    detail: str
    errors: list[FieldProblem] = []
