"""Domains: groups of commands with queues of their own."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import BaseModel

from commands.api.auth import READING
from commands.api.lists import PageOut, PageQuery
from commands.models import Domain

router = Router()


class DomainOut(BaseModel):
    name: str
    command_queue: str
    reply_queue: str
    since: datetime


class DomainPage(PageOut):
    items: list[DomainOut]


@router.get("", auth=READING, operation_id="list_domains", summary="Domains, by name", response=DomainPage)
def listed(request: HttpRequest, asked: Query[PageQuery]) -> Any:
    """All that there are."""
    found = list(Domain.objects.filter(name__gt=asked.cursor).order_by("name").values()[: asked.limit + 1])
    items = found[: asked.limit]
    return {
        "items": items,
        "next": items[-1]["name"] if len(found) > asked.limit else None,
        "looked": None,
        "reach": None,
    }
