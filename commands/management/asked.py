"""What is typed as options, as the forms of the pages read it: one validation, whose words then name the option."""

import getpass
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, QueryDict

from commands.forms.audit import operator_field
from commands.forms.sending_many import PartForm
from commands.management.console import CallError
from commands.rules.behaviors import MAX_EXECUTION_TIME_MS, MAX_TRANSIENT_FAILURES, BehaviorType
from e2e_site.options import SECONDS, Number
from e2e_site.texts import one_line

T = TypeVar("T")

MOST_READ = 1_000_000  # characters of a file; a payload has at most 64 KiB
WAIT_S = 300.0
PAGE = 20  # of a list, unless another size is asked for
BEHAVIOR_FIELDS = ("execution_time_ms", "transient_failures", "error_code", "error_message")


def add_behavior(parser: ArgumentParser, *flags: str, what: str) -> None:
    """The options that make up a behavior."""
    parser.add_argument(*flags, dest="type", metavar="TYPE", help=f"{what}: {', '.join(BehaviorType)}")
    parser.add_argument(
        "--execution-time-ms", metavar="N", help=f"how long each attempt works, 0 to {MAX_EXECUTION_TIME_MS:,}"
    )
    parser.add_argument(
        "--transient-failures", metavar="N", help=f"how often it fails first, 1 to {MAX_TRANSIENT_FAILURES}"
    )
    parser.add_argument("--error-code", metavar="TEXT", help="what it fails with")
    parser.add_argument("--error-message", metavar="TEXT", help="what it fails with")


def add_domain(parser: ArgumentParser) -> None:
    parser.add_argument("--domain", metavar="NAME", help="whose commands (test)")


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document, as the API answers it")


def add_operator(parser: ArgumentParser) -> None:
    parser.add_argument("--operator", metavar="NAME", help="who asks for it, for the audit (the system's user)")
    parser.add_argument("--reason", metavar="TEXT", help="why, for the audit")


def add_wait(parser: ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--wait", type=SECONDS, nargs="?", const=WAIT_S, metavar="SECONDS", help=f"{what}, for {WAIT_S:.0f} s at most"
    )


def add_page(parser: ArgumentParser, most: int) -> None:
    """Which part of a list."""
    parser.add_argument(
        "--limit", type=Number(1, most), default=PAGE, metavar="N", help=f"at most so many, 1 to {most:,} ({PAGE})"
    )
    parser.add_argument("--cursor", default="", metavar="TEXT", help="go on where a list ended: what its next was")


def page(read: Callable[[], T]) -> T:
    """What ``read`` answers; a place that is none is told of by its option."""
    try:
        return read()
    except Http404 as exc:
        raise CallError(f"--cursor must be the next that the list before gave: {exc}") from exc


def text_of(option: str, given: str | None) -> str | None:
    """What an option gives: a text, or of ``@FILE`` and ``-`` what stands in the file or comes from stdin."""
    if given is None or not (given == "-" or given.startswith("@")):
        return given
    try:
        if given == "-":
            text = sys.stdin.read(MOST_READ + 1)
        else:
            with Path(given[1:]).open(encoding="utf-8") as file:
                text = file.read(MOST_READ + 1)
    except (OSError, UnicodeDecodeError) as exc:
        raise CallError(f"{option}: {given} cannot be read: {one_line(exc)}") from exc
    if len(text) > MOST_READ:
        raise CallError(f"{option}: {given} has more than {MOST_READ:,} characters.")
    return text


def operator_of(given: str | None) -> str:
    """The name for the audit: that which was given, else that of the system's user."""
    try:
        name = given if given is not None else getpass.getuser()
    except (KeyError, OSError):  # a system without a name for it
        name = ""
    if not name.strip():
        raise CallError("--operator must be a name: it stands in the audit.")
    try:
        cleaned: str = operator_field().clean(name)
    except ValidationError as exc:
        raise CallError(_named("--operator", "operator", exc.messages[0])) from exc
    return cleaned


def command_id_field() -> forms.UUIDField:
    """The id that a new command gets."""
    problem = "command_id must be a UUID, as in 0193a5b0-7c1e-7abc-8def-0123456789ab."
    return forms.UUIDField(required=False, error_messages={"invalid": problem})


def query_of(options: Mapping[str, Any], names: Iterable[str]) -> QueryDict:
    """The fields of these names, as an address would carry them: what was not given is not there."""
    query = QueryDict(mutable=True)
    for name in names:
        given = options.get(name)
        if given is not None:
            query.setlist(name, [str(value) for value in given] if isinstance(given, list) else [str(given)])
    return query


def check(form: forms.Form, *, parts: Sequence[PartForm] = (), options: Mapping[str, str] | None = None) -> None:
    """Raise CallError for what is wrong in a form, a line for each error; ``options``: of fields with other names."""
    lines = [line for part in parts for line in _problems(part, options or {}, where=f"--mix: {part.kind}: ")]
    # What the whole says of wrong parts the parts say themselves.
    whole = not lines
    lines += [line for line in _problems(form, options or {}, whole=whole) if line]
    if lines:
        raise CallError("\n".join(lines))


def _problems(form: forms.Form, options: Mapping[str, str], *, where: str = "", whole: bool = True) -> list[str]:
    if form.is_valid():
        return []
    found = []
    for name, errors in form.errors.items():
        if name == "__all__":
            found += [f"{where}{error}" for error in errors] if whole else []
            continue
        option = name if where else options.get(name, option_of(name))
        found += [where + _named(option, name, str(error)) for error in errors]
    return found


def option_of(name: str) -> str:
    """ "--execution-time-ms" of the field execution_time_ms."""
    return f"--{name.replace('_', '-')}"


def _named(option: str, name: str, problem: str) -> str:
    """A problem that begins with its field's name begins with its option's; any other comes after it."""
    rest = problem.removeprefix(f"{name} ")
    return f"{option}: {problem}" if rest == problem else f"{option} {rest}"
