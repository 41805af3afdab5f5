"""Commands: sent, listed, looked at."""

from django.http import HttpRequest
from ninja import Router

from commands.api.auth import READING

router = Router()


@router.get("", auth=READING, operation_id="list_commands")
def listed(request: HttpRequest) -> dict[str, str]:
    return {}
