"""Downloads: what a list's filter meets, as CSV or JSON lines, streamed chunk by chunk in constant memory.

Each chunk is a read of its own with the limits of a request, so that a download of many minutes holds no transaction. A
few at a time: each takes a thread of the web server.
"""

import csv
import io
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from commands.pages.command_form import FilterForm
from commands.pages.command_list import refused
from commands.pages.command_reads import CommandReads
from e2e_site import limits
from e2e_site.texts import cut, one_line

logger = logging.getLogger(__name__)

AT_ONCE = 4
CSV_ROWS, JSON_ROWS = 2000, 500  # a chunk; a payload may have 64 KiB
TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
COLUMNS = (
    "domain", "command_type", "behavior", "status", "attempts", "max_attempts", "error_type", "error_code",
    "error_message", "correlation_id", "created_at", "updated_at",
)  # fmt: skip

_running = threading.BoundedSemaphore(AT_ONCE)


class Download:
    """The chunks of one download. The first is made here, so that what is wrong is answered as on any page.

    A web server closes what it has sent, or could not send: then another may begin.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._open = _running.acquire(blocking=False)
        if not self._open:
            raise TooManyDownloadsError
        self._chunks = chunks
        try:
            self._first = next(chunks, None)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        chunk, self._first = self._first, None
        if chunk is None:
            chunk = self._made()
        if chunk is None:
            raise StopIteration
        return chunk

    def _made(self) -> bytes | None:
        try:
            with limits.one_request():
                return next(self._chunks, None)
        except Error as exc:  # the client notices: the end of the answer is missing
            logger.warning("download broken off: %s", one_line(exc), extra={"action": "download_broken_off"})
            raise

    def close(self) -> None:
        if self._open:
            self._open = False
            _running.release()


class TooManyDownloadsError(Exception):
    """`AT_ONCE` are under way."""


@require_safe
def commands(request: HttpRequest) -> HttpResponseBase:
    """``?format=csv`` or ``jsonl``, with the query of the list."""
    form, asked = FilterForm(request.GET), request.GET.get("format", "")
    if form.is_valid() and asked not in TYPES:
        form.add_error(None, f"format must be one of {', '.join(TYPES)}, not {cut(asked, 40)!r}.")
    if not form.is_valid():
        return refused(request, form)
    name = f"commands-{timezone.now():%Y%m%d-%H%M%S}"
    if request.method == "HEAD":
        return answer([], name, asked)
    try:
        return answer(Download(_chunks(CommandReads(form.chosen), asked)), name, asked)
    except TooManyDownloadsError:
        form.add_error(None, f"{AT_ONCE} downloads are under way, which is as many as there may be: try again soon.")
        return refused(request, form, status=503)


def answer(chunks: Iterable[bytes], name: str, kind: str) -> HttpResponseBase:
    """A file ``name`` of a ``kind``, one of `TYPES`, of these chunks."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    if not chunks:
        return HttpResponse(headers=headers, content_type=TYPES[kind])
    return StreamingHttpResponse(chunks, headers=headers, content_type=TYPES[kind])


def csv_lines(rows: Iterable[Sequence[str | int | None]]) -> bytes:
    """Rows as CSV; None is an empty cell."""
    text = io.StringIO()
    cells = ([defused(value) if isinstance(value, str) else value for value in row] for row in rows)
    csv.writer(text, lineterminator="\r\n").writerows(cells)
    return text.getvalue().encode()


def defused(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that begins like one gets a ' before it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _chunks(reads: CommandReads, kind: str) -> Iterator[bytes]:
    before, head = "", csv_lines([("command_id", *COLUMNS)]) if kind == "csv" else b""
    while True:
        if kind == "csv":
            found = reads.page(CSV_ROWS, before=before, columns="exported")
            lines = csv_lines([row["id"], *[row[name] for name in COLUMNS]] for row in found.rows)
        else:
            found = reads.page(JSON_ROWS, before=before, columns="exported_json")
            lines = "".join([f"{row['line']}\n" for row in found.rows]).encode()
        yield head + lines
        before, head = found.more, b""
        if not before:
            return
