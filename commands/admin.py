"""The bus in the admin. Every list is bounded, so that no page costs more when the tables grow.

A list shows the newest `MOST` rows, in one order and without filters; a whole command id finds any other. Django's
own count, sorting, filters and actions over a whole table are off.
"""

import json
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import BooleanField, Model, QuerySet, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from commands.models import AuditEvent, Command, TestCommand
from commands.reads.redacted import redactor, sees_redacted
from commands.rules.formatting import pretty_json
from commands.rules.words import DOMAIN
from e2e_site.stored_json import StoredText
from e2e_site.templatetags.site import outside
from e2e_site.texts import cut

MOST = 1000
DETAILS_LISTED = 300  # characters of an event's details in a list
PAYLOAD_SHOWN = 100_000  # characters
NEWEST_PARKED = "SELECT command_id FROM commandbus.parked WHERE domain = %s ORDER BY parked_at DESC LIMIT %s"


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # takes none at run time
    """Knows of the first `MOST` rows only, and counts no further."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows[:MOST].count()


class OneOrderChangeList(ChangeList):
    """Ignores the order that an address asks for: it could sort the whole table."""

    def get_ordering_field(self, field_name: Any) -> None:
        return None


class BoundedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # takes none at run time
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    sortable_by = ()
    actions = None
    search_fields = ("command_id",)  # shows the search box; get_search_results searches
    search_help_text = "A whole command id"

    def listed(self) -> str:
        """Which rows the list shows."""
        return f"the newest {MOST:,}"

    def newest(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of a list without a search."""
        return cast("QuerySet[Any]", cast("Any", queryset).newest_first())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With ``seen``: its viewer sees what is redacted."""
        seen = Value(sees_redacted(request.user), output_field=BooleanField())
        return cast("QuerySet[Any]", super().get_queryset(request).annotate(seen=seen))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return OneOrderChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term:
            return self.newest(queryset), False
        try:
            return queryset.filter(command_id=UUID(search_term.strip())), False
        except ValueError:
            self.message_user(request, "Type a whole command id to search.", messages.WARNING)
            return queryset.none(), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = f"{str(self.opts.verbose_name_plural).capitalize()}: {self.listed()}"
        return super().changelist_view(request, {"title": title, **(extra_context or {})})


class ReadOnlyAdmin(BoundedAdmin):
    """For looking only; `commands.models.ReadOnlyModel` says who writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(TestCommand)
class TestCommandAdmin(BoundedAdmin):
    """Read and delete. What was asked stays as it was sent.

    A new one is made by the Send page: a row without a message would never be performed.
    """

    list_display = ("id", "command_id", "type", "attempts", "processed_at", "created_at")
    list_display_links = ("id", "command_id")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("command_id", "created_at", "attempts", "processed_at", "result_as_stored")}),
        (
            "What was asked",
            {
                "fields": ("behavior_as_stored", "payload_as_stored"),
                "description": "It stays as it was sent. A command that is deleted here before it was performed ends "
                "in the troubleshooting queue.",
            },
        ),
    )

    readonly_fields = ("behavior_as_stored", "payload_as_stored", "result_as_stored")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description="behavior")
    def behavior_as_stored(self, obj: TestCommand) -> str:
        return _as_stored(obj, "behavior")

    @admin.display(description="payload")
    def payload_as_stored(self, obj: TestCommand) -> str:
        return _as_stored(obj, "payload")

    @admin.display(description="result")
    def result_as_stored(self, obj: TestCommand) -> str:
        return _as_stored(obj, "result")

    @admin.display(description="type")
    def type(self, obj: TestCommand) -> str:
        known = obj.behavior if isinstance(obj.behavior, dict) else {}
        return outside(cut(str(known.get("type", "")), 100))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        messages.info(request, "A test command is made by sending it.")
        return redirect("commands:send")

    def view_on_site(self, obj: TestCommand) -> str:
        return reverse("commands:detail", args=[obj.command_id])


def _as_stored(row: Any, column: str) -> str:
    """A JSON column with every digit of it, as far as anybody reads."""
    text = TestCommand.objects.filter(pk=row.pk).values_list(Cast(column, TextField()), flat=True).get()
    return outside(pretty_json(cut(redactor(may_see=row.seen).under(column, text), PAYLOAD_SHOWN))) if text else ""


class InTsqFilter(SimpleListFilter):
    """The troubleshooting queue, which has an index of its own; no other status has one to be found by."""

    title = "status"
    parameter_name = "in_tsq"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "In TSQ")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "yes":
            return queryset
        return queryset.filter(command_id__in=RawSQL(NEWEST_PARKED, [DOMAIN, MOST]))  # noqa: S611  # our own constant


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_display = ("command_id", "status", "attempts", "max_attempts", "error_code", "created_at", "updated_at")
    list_filter = (InTsqFilter,)
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-created_at",)
    exclude = ("last_error_code", "last_error_msg", "reply_queue")
    readonly_fields = ("error_code", "error_message", "reply_to")

    @admin.display(description="last error code")
    def error_code(self, obj: Command) -> str:
        return outside(cut(obj.last_error_code, 100)) if obj.last_error_code else ""

    @admin.display(description="last error message")
    def error_message(self, obj: Command) -> str:
        return outside(obj.last_error_msg) if obj.last_error_msg else ""

    @admin.display(description="reply queue")
    def reply_to(self, obj: Command) -> str:
        return outside(obj.reply_queue)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == InTsqFilter.parameter_name

    def listed(self) -> str:
        return f"the newest {MOST:,} of domain {DOMAIN}"

    def newest(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return cast("QuerySet[Any]", cast("Any", queryset).newest(MOST))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if _in_tsq(request) and not search_term:
            return queryset, False  # bounded by its filter
        return super().get_search_results(request, queryset, search_term)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        parked = {"title": f"Commands in TSQ: {self.listed()}"} if _in_tsq(request) else {}
        return super().changelist_view(request, {**parked, **(extra_context or {})})

    def view_on_site(self, obj: Command) -> str:
        return reverse("commands:detail", args=[obj.command_id])


def _in_tsq(request: HttpRequest) -> bool:
    return request.GET.get(InTsqFilter.parameter_name) == "yes"


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("audit_id", "ts", "event_type", "command_id", "particulars")
    ordering = ("-audit_id",)
    exclude = ("details_json",)
    readonly_fields = ("details",)

    @admin.display(description="details")
    def particulars(self, obj: AuditEvent) -> SafeString:
        return outside(cut(_json(obj), DETAILS_LISTED))

    @admin.display(description="details")
    def details(self, obj: AuditEvent) -> SafeString:
        return outside(pretty_json(_json(obj)))


def _json(event: Any) -> str:
    stored = event.details_json
    text = str(stored) if isinstance(stored, StoredText) else json.dumps(stored, ensure_ascii=False)
    return redactor(may_see=event.seen).text(text)
