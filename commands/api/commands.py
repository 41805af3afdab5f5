"""Commands: sent, listed, looked at."""

from django.http import HttpRequest

from commands.api.auth import READING
from commands.api.sending import router

__all__ = ["router"]  # one for all of the noun: sending.py has begun it


@router.get("", auth=READING, operation_id="list_commands")
def listed(request: HttpRequest) -> dict[str, str]:
    return {}
