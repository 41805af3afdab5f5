"""What the filter of the list of commands meets, as CSV or JSON lines, in constant memory: a look after the other."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from commands.forms.command_list import FilterForm
from commands.pages.command_list import refused
from commands.reads.command_reads import CommandReads
from commands.reads.redacted import redactor_for, sees_redacted
from commands.rules.redaction import Redactor
from e2e_site.downloads import Download, TooManyDownloadsError
from e2e_site.export import csv_lines, pieces
from e2e_site.named_sql import Row
from e2e_site.texts import cut

CSV_ROWS, JSON_ROWS = 2000, 500  # a read; a payload may have 64 KiB
TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
COLUMNS = (
    "command_id", "domain", "command_type", "behavior", "status", "attempts", "max_attempts", "error_type",
    "error_code", "error_message", "correlation_id", "created_at", "updated_at",
)  # fmt: skip


@require_safe
def commands(request: HttpRequest) -> HttpResponseBase:
    """``?format=csv`` or ``jsonl``, with the query of the list."""
    redactor = redactor_for(request.user)
    form = FilterForm(request.GET, may_see=sees_redacted(request.user))
    asked = request.GET.get("format", "")
    if form.is_valid() and asked not in TYPES:
        form.add_error(None, f"format must be one of {', '.join(TYPES)}, not {cut(asked, 40)!r}.")
    if not form.is_valid():
        return refused(request, form)
    name = f"commands-{timezone.now():%Y%m%d-%H%M%S}.{asked}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": TYPES[asked]}
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    try:
        lines = pieces(_lines(CommandReads(form.chosen), asked, redactor))
        return StreamingHttpResponse(Download(lines), headers=headers)
    except TooManyDownloadsError as exc:
        form.add_error(None, str(exc))
        return refused(request, form, status=503)


def _lines(reads: CommandReads, kind: str, redactor: Redactor) -> Iterator[str]:
    if kind == "csv":
        return csv_lines(_rows(reads, CSV_ROWS, "exported"), COLUMNS)
    # The first level is the line itself; what was asked lies below.
    return (f"{redactor.text(row['line'], from_depth=2)}\n" for row in _rows(reads, JSON_ROWS, "exported_json"))


def _rows(reads: CommandReads, size: int, columns: str) -> Iterator[Row]:
    before = ""
    while True:
        found = reads.page(size, before=before, columns=columns)
        yield from found.rows
        before = found.more
        if not before:
            return
