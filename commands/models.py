"""Unmanaged models: Flyway owns the tables (migrations_flyway/), these classes only name their columns.

A `TestCommand` is made when it is sent, and stays as it was asked for. The others are read-only by construction: a
worker, the bus or an operator's action writes them through SQL functions. An attempt to write them here raises
`ReadOnlyError`, which says who does.
"""

from typing import Any, ClassVar, NoReturn, Self
from uuid import uuid4

from django.db import models
from django.db.models.functions import Now

from commands.fields import CheckedJSONField, StoredJSONField, validate_behavior, validate_payload
from commands.rules.words import DOMAIN, EventType, OperationKind, OperationState, Status
from e2e_site.options import Exit, SiteError
from e2e_site.read_only import ReadOnlyError, ReadOnlyModel, ReadOnlyQuerySet


class TestCommandQuerySet(models.QuerySet["TestCommand"]):
    def newest_first(self) -> Self:
        return self.order_by("-id")

    def update(self, **kwargs: Any) -> NoReturn:
        raise ReadOnlyError(f"TestCommand is read-only once it is sent: {TestCommand.written_by}")


class TestCommand(models.Model):
    """What one test command must do and what came of it. `commands.bus.send` makes one together with its message.

    From then on it can be read and deleted, and no more: what was asked stays, and the rest belongs to workers.
    """

    __test__ = False  # the name is the story's; pytest need not collect it

    written_by: ClassVar[str] = "send another; what comes of it, workers write in SQL."

    id = models.AutoField(primary_key=True)
    command_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    payload = CheckedJSONField(default=dict, blank=True, validators=[validate_payload])
    behavior = CheckedJSONField(validators=[validate_behavior])
    created_at = models.DateTimeField(null=True, db_default=Now(), editable=False)
    processed_at = models.DateTimeField(null=True, editable=False)
    attempts = models.IntegerField(null=True, default=0, editable=False)
    result = StoredJSONField(null=True, editable=False)

    objects = TestCommandQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "test_command"
        default_permissions = ("add", "delete", "view")

    def __str__(self) -> str:
        return f"Test command {self.command_id}"

    def save(self, **kwargs: Any) -> None:
        if not self._state.adding:
            raise ReadOnlyError(f"TestCommand is read-only once it is sent: {self.written_by}")
        super().save(**{**kwargs, "force_insert": True})


class UnknownDomainError(SiteError):
    exit_code = Exit.REFUSED


class DomainQuerySet(ReadOnlyQuerySet["Domain"]):
    def names(self) -> models.QuerySet["Domain", str]:
        """Oldest first."""
        return self.order_by("since", "name").values_list("name", flat=True)

    def known(self, name: str) -> str:
        """The name that a person gave as ``--domain``. Raises UnknownDomainError where there is no such domain."""
        if name not in (names := list(self.names())):
            raise UnknownDomainError(f"--domain must be one of {', '.join(names)}, not {name!r}.")
        return name


class Domain(ReadOnlyModel):
    """A group of commands with queues of its own. A new row is all that a new domain needs: a trigger does the rest."""

    written_by = "Flyway's files add domains, or a row that is inserted in SQL."

    name = models.TextField(primary_key=True)
    command_queue = models.TextField()
    reply_queue = models.TextField()
    since = models.DateTimeField()

    objects = DomainQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = '"commandbus"."domain"'
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class CommandQuerySet(ReadOnlyQuerySet["Command"]):
    def newest(self, limit: int) -> Self:
        """The ``limit`` of `DOMAIN` sent last, newest first. Reads no more than that, however many there are."""
        # Their ids first: in a join with a planner that expects few, each command would look them all up.
        sent_last = list(AuditEvent.objects.sent_last(limit))
        return self.filter(command_id__in=sent_last).order_by("-created_at", "command_id")


class CommandManager(models.Manager.from_queryset(CommandQuerySet)):  # type: ignore[misc]  # a class made at run time
    def get_queryset(self) -> CommandQuerySet:
        """Of `DOMAIN`. The primary key of the table starts with the domain: without it, no index helps."""
        queryset: CommandQuerySet = super().get_queryset()
        return queryset.filter(domain=DOMAIN)


class Command(ReadOnlyModel):
    """Where a command stands now."""

    written_by = "commands.bus.send sends, workers perform, and an operator's action changes what is parked."

    # The key is (domain, command_id), and the manager leaves other domains out.
    command_id = models.UUIDField(primary_key=True)
    domain = models.TextField()
    queue_name = models.TextField()
    msg_id = models.BigIntegerField(null=True)
    command_type = models.TextField()
    status = models.TextField(choices=Status.choices())
    attempts = models.IntegerField()
    max_attempts = models.IntegerField()
    lease_expires_at = models.DateTimeField(null=True)
    last_error_type = models.TextField(null=True)  # noqa: DJ001  # the library's column
    last_error_code = models.TextField(null=True)  # noqa: DJ001  # the library's column
    last_error_msg = models.TextField(null=True)  # noqa: DJ001  # the library's column
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    reply_queue = models.TextField()
    correlation_id = models.UUIDField(null=True)
    batch_id = models.UUIDField(null=True)

    objects = CommandManager()

    class Meta:
        managed = False
        db_table = '"commandbus"."command"'
        base_manager_name = "objects"
        default_permissions = ("view",)
        permissions = (
            ("operate_command", "Can retry, cancel and complete commands"),
            ("see_redacted", "Can see the values under redacted keys"),
        )

    def __str__(self) -> str:
        return f"Command {self.command_id}"


class AuditEventQuerySet(ReadOnlyQuerySet["AuditEvent"]):
    def newest_first(self) -> Self:
        return self.order_by("-audit_id")

    def sent_last(self, limit: int) -> models.QuerySet["AuditEvent", Any]:
        """The ids of the commands of `DOMAIN` that were sent last. ix_audit_sent finds them."""
        # A range of one domain, in the index's own order: for "domain =" the planner may walk the primary key through
        # the events of all domains.
        sent = self.filter(domain__gte=DOMAIN, domain__lte=DOMAIN, event_type=EventType.SENT)
        return sent.order_by("-domain", "-audit_id").values_list("command_id", flat=True)[:limit]


class AuditEvent(ReadOnlyModel):
    """One thing that happened to a command; rows are only ever added."""

    written_by = "the functions of schema commandbus add events, in the transaction of what happened."

    audit_id = models.BigAutoField(primary_key=True)
    domain = models.TextField()
    command_id = models.UUIDField()
    event_type = models.TextField(choices=EventType.choices())
    ts = models.DateTimeField()
    details_json = StoredJSONField(null=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = '"commandbus"."audit"'
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.event_type} of {self.command_id}"


class OperationQuerySet(ReadOnlyQuerySet["Operation"]):
    def newest_first(self) -> Self:
        return self.order_by("-operation_id")

    def older_than(self, operation_id: int) -> Self:
        return self.filter(operation_id__lt=operation_id)

    def open(self) -> Self:
        """Those that are not over. ix_e2e_operation_open finds them."""
        return self.filter(state__in=[state for state in OperationState if not state.is_over])


class Operation(ReadOnlyModel):
    """What was asked to be done to many commands, and how far it is."""

    written_by = "commands.bus.operations makes one, works it off and cancels it."

    operation_id = models.BigAutoField(primary_key=True)
    kind = models.TextField(choices=OperationKind.choices())
    domain = models.TextField()
    state = models.TextField(choices=OperationState.choices())
    operator = models.TextField()
    reason = models.TextField()
    spec = StoredJSONField()
    correlation_id = models.UUIDField()
    wanted = models.BigIntegerField()
    done = models.BigIntegerField()
    skipped = models.BigIntegerField()
    rate = models.IntegerField(null=True)
    canary = models.IntegerField(null=True)
    progress = StoredJSONField()
    said = models.TextField()
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField()
    beat_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    stopped_by = models.TextField()

    objects = OperationQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "e2e_operation"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"Operation {self.operation_id}"
