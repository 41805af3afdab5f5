"""Whether the API can work: programs that watch the site itself take /healthz and /readyz."""

from typing import Any, Literal

from django.db import connection
from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel

from commands.api.auth import READING

router = Router()


class HealthOut(BaseModel):
    status: Literal["ok"]


@router.get("", auth=READING, operation_id="get_health", summary="Whether the database answers", response=HealthOut)
def health(request: HttpRequest) -> Any:
    """503 where it does not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {"status": "ok"}
