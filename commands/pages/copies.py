"""What sends a command like this one again, as text to copy: an SQL statement for psql, and lines of Python.

Both keep behavior, payload (every digit of it), attempts, reply and correlation id; the command id is a new one.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from commands.rules.behaviors import Behavior, BehaviorError
from commands.rules.payload import PayloadError, parse_json, payload_text
from commands.rules.words import COMMAND_TYPE, DOMAIN, reply_queue
from e2e_site.texts import visible

HIDDEN = "Some of what it was asked is redacted: who may see it, can copy it."
MOST_COPIED = 100_000  # characters of a payload, which each copy repeats


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A command as it was sent. ``behavior`` and ``payload`` are JSON texts; ``known`` is the behavior as a value."""

    domain: str
    command_type: str
    behavior: str
    known: Any
    payload: str
    max_attempts: int
    reply_queue: str
    correlation_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class Copy:
    """One text to copy, with where it runs; where there is none, ``why`` not."""

    key: str
    title: str
    text: str = ""
    runs: str = ""
    why: str = ""


def copies(asked: Asked | None) -> list[Copy]:
    """The ways to send it again. None: nothing says what was asked."""
    if asked is None:
        why = "Nothing says what this command was asked to do: it has no test_command row."
    elif max(len(asked.payload), len(asked.behavior)) > MOST_COPIED:
        why = f"Its payload has more than {MOST_COPIED:,} characters."
    else:
        return [_sql(asked), _python(asked)]
    return no_copies(why)


def no_copies(why: str) -> list[Copy]:
    return [Copy(key="sql", title="SQL", why=why), Copy(key="python", title="Python", why=why)]


def _sql(asked: Asked) -> Copy:
    correlation = "" if asked.correlation_id is None else f",\n    {_literal(str(asked.correlation_id))}"
    text = (
        "SELECT commandbus.send_commands(\n"
        f"    {_literal(asked.domain)}, {_literal(asked.command_type)},\n"
        "    jsonb_build_array(jsonb_build_array(\n"
        "        gen_random_uuid(),\n"
        f"        {_literal(asked.behavior)}::jsonb,\n"
        f"        {_literal(asked.payload)}::jsonb)),\n"
        f"    {asked.max_attempts}, {_literal(asked.reply_queue)}{correlation});"
    )
    return Copy(key="sql", title="SQL", text=text, runs="In psql, or any client of this database.")


def _python(asked: Asked) -> Copy:
    if why := _not_in_python(asked):
        return Copy(key="python", title="Python", why=why)
    assert isinstance(asked.known, dict)
    correlation = "" if asked.correlation_id is None else f'    correlation_id=UUID("{asked.correlation_id}"),\n'
    text = (
        ("" if asked.correlation_id is None else "from uuid import UUID\n\n")
        + "from commands.bus.send import send_test_command\n"
        "from commands.rules.behaviors import Behavior\n"
        "from commands.rules.payload import parse_json\n\n"
        "send_test_command(\n"
        f"    Behavior.from_json({visible(repr(asked.known))}),\n"
        f"    payload=parse_json({visible(repr(asked.payload))}),\n"
        f"    reply={bool(asked.reply_queue)},\n"
        f"    max_attempts={asked.max_attempts},\n"
        f"{correlation})"
    )
    return Copy(key="python", title="Python", text=text, runs="In manage.py shell.")


def _not_in_python(asked: Asked) -> str:
    """Why the site's own function could not send the same; empty where it can."""
    if (
        asked.domain != DOMAIN
        or asked.command_type != COMMAND_TYPE
        or asked.reply_queue not in ("", reply_queue(DOMAIN))
    ):
        return f"The site's own function sends {COMMAND_TYPE} to the domain {DOMAIN} alone; the SQL statement sends it."
    try:
        Behavior.from_json(asked.known)
        payload_text(parse_json(asked.payload))
    except (BehaviorError, PayloadError):
        return "Its behavior or payload is none that the site sends; the SQL statement sends it."
    return ""


def _literal(text: str) -> str:
    """A text as a literal of PostgreSQL; what cannot be seen is written as an escape."""
    escaped = visible(text.replace("\\", "\\\\").replace("'", "''"))
    return f"E'{escaped}'" if "\\" in escaped else f"'{escaped}'"
