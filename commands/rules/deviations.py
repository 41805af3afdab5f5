"""What the library's worker is known to do otherwise, seen in the story of one command. Pure.

The names D1 to D14 are those of docs/promises.md. Only what one command's story can show is told here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

TITLES = {
    "D1": "A command's own max_attempts is ignored",
    "D2": "Deliveries have no limit when leases run out or workers die",
    "D3": "A final state does not stay",
    "D4": "Every overlapping attempt that succeeds sends its own reply",
    "D5": "A row that fails or is locked undoes the counting of a batch that runs all the same",
    "D6": "Operators' actions take no lock",
    "D7": "A send beside another of the same id is refused by a raw database error",
    "D8": "Malformed messages are read for ever, unknown ones vanish",
    "D9": "The worker ends when a connection is lost",
    "D10": "With a connection pool of one it does nothing, or dies",
    "D11": "The synchronous worker loses count of what runs when a message comes again",
    "D12": "command.created_at comes from the sender's clock",
    "D13": "A late transient failure writes over a completed command",
    "D14": "Stopped after a notification it waits for ever for its own lock",
}
_FINAL = "CTB"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A command that did not come to what the contract says.

    ``word``: its story in `LETTERS`; ``expected``: the contract's pattern for it; ``max_attempts``: its own;
    ``executions`` by the handlers' ledger; ``replies``: how many there are; ``behavior``: its type.
    """

    word: str
    status: str
    attempts: int
    max_attempts: int
    expected: str
    executions: int
    replies: int
    behavior: str

    @property
    def received(self) -> int:
        return self.word.count("R")

    @property
    def overlaps(self) -> bool:
        """Whether it was delivered again while an attempt had no end."""
        return "RR" in self.word

    @property
    def finals(self) -> str:
        """Its final events in their order."""
        return "".join(letter for letter in self.word if letter in _FINAL)


def known_deviation(seen: Seen) -> str | None:
    """The deviation that explains the story, ``"D3"``; None where none is known. The most telling one comes first."""
    return next((name for name, shows in _SHOWN if shows(seen)), None)


def _uncounted(seen: Seen) -> bool:
    """It ended, or ran, more often than it was received."""
    return len(seen.finals) > seen.received or seen.executions > seen.received


def _failed_after_its_end(seen: Seen) -> bool:
    return re.search(r"[CB].*F", seen.word) is not None


def _another_end(seen: Seen) -> bool:
    """Two ends that differ, one twice that no reply tells of, or an attempt after one that stays."""
    return any(
        len(set(life) & set(_FINAL)) > 1 or life.count("T") > 1 or re.search("[TB].*R", life) is not None
        for life in seen.word.split("O")  # a retry by an operator begins another
    )


def _beyond_the_limit(seen: Seen) -> bool:
    """More deliveries than it may have, or ends that count though their attempt's lease had run out."""
    return seen.overlaps and (seen.received > seen.max_attempts or (len(seen.finals) <= 1 and "F" in seen.word))


def _several_replies(seen: Seen) -> bool:
    return seen.overlaps and (seen.replies > 1 or seen.finals.count("C") > 1 or seen.finals.count("B") > 1)


def _another_limit(seen: Seen) -> bool:
    """One attempt after the other, to another number than its own limit."""
    tried = re.fullmatch(r"S(RF)*R?T?", seen.word) is not None and seen.behavior.startswith("fail_transient")
    parked_early = seen.word.endswith("T") and seen.received < seen.max_attempts
    return tried and (parked_early or seen.received > seen.max_attempts)


_SHOWN: tuple[tuple[str, Callable[[Seen], bool]], ...] = (
    ("D5", _uncounted),
    ("D13", _failed_after_its_end),
    ("D3", _another_end),
    ("D2", _beyond_the_limit),
    ("D4", _several_replies),
    ("D1", _another_limit),
)
