"""What an operator does with messages: replies are taken or put back, and a rejected message is sent again, mended.

Replies are no commands, so no event of the audit tells of them: who calls this writes down who did it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commands.rules.words import DOMAIN, Status, reply_queue
from e2e_site.named_sql import NamedSql

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBERS_SAID = 20

_SQL = NamedSql(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The message that was sent; without one nothing was, and ``status`` is where the command stands, if known."""

    msg_id: int | None
    status: Status | None


def take_replies(msg_ids: Sequence[int], *, domain: str = DOMAIN) -> list[int]:
    """Archive replies; those of them that were in the queue."""
    found = _SQL.rows("take", queue=reply_queue(domain), msg_ids=list(msg_ids))
    return sorted(row["msg_id"] for row in found)


def put_back_replies(msg_ids: Sequence[int], *, domain: str = DOMAIN) -> list[int]:
    """Put archived replies into the queue again: their new numbers, of those that were in the archive."""
    found = _SQL.rows("put_back", queue=reply_queue(domain), msg_ids=list(msg_ids))
    new: list[int] = found[0]["new"]
    return new


def send_lost_message(message: str, *, operator: str, reason: str, domain: str = DOMAIN) -> Sent:
    """Send a message, JSON, for the command that it names: one that waits, and whose own message is not in the queue.

    Counts attempts from 0; the audit has it as a retry.
    """
    found = _SQL.rows("send_lost", domain=domain, message=message, operator=operator, reason=reason)
    answer = found[0]["answer"]
    return Sent(msg_id=answer.get("msg_id"), status=None if answer["status"] is None else Status(answer["status"]))


def replies_text(numbers: Sequence[int]) -> str:
    """ "1 reply", "3 replies"."""
    return "1 reply" if len(numbers) == 1 else f"{len(numbers)} replies"


def moved_text(numbers: Sequence[int], domain: str, *, take: bool) -> str:
    """What was done to which replies, for the log: of what was put back the new numbers."""
    queue = reply_queue(domain)
    said = ", ".join(map(str, numbers[:NUMBERS_SAID])) + (", …" if len(numbers) > NUMBERS_SAID else "")
    done = replies_text(numbers)
    return f"Took {done} out of {queue}: {said}." if take else f"Put {done} back into {queue}: now {said}."
