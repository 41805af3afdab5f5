"""Who did what with messages: written into Django's log of changes, where operators' actions find it."""

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest

from commands.models import Domain


def write_down(request: HttpRequest, domain: str, queue: str, what: str) -> None:
    """In the caller's transaction, so that it is written if, and only if, it was done."""
    assert request.user.is_authenticated
    LogEntry.objects.create(
        user_id=request.user.pk,
        content_type=ContentType.objects.get_for_model(Domain),
        object_id=domain,
        object_repr=queue,
        action_flag=CHANGE,
        change_message=what,
    )
