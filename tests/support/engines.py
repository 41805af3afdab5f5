"""The two engines, and what a test has to know of each: where ``library`` does otherwise than ``native``."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Engine:
    name: str
    own_max_attempts: int  # attempts of a command sent with max_attempts 5 where the settings say 3 (D1)
    backoff_s: float  # least time between a failure and its retry, where the settings say 50 ms
    counts_unhandled: int  # test_command.attempts after 3 attempts for which there is no handler
    overrun: str  # the word of work of one and a half leases, and how many replies it gets (D4)
    overrun_replies: int

    def deviates(self, pinned: AbstractContextManager[None]) -> AbstractContextManager[None]:
        """What is asserted inside is a known deviation of ``library``, and a promise that ``native`` keeps."""
        return pinned if self.name == "library" else nullcontext()


ENGINES = [
    Engine(
        name="native", own_max_attempts=5, backoff_s=0.05, counts_unhandled=3, overrun="SRRCc", overrun_replies=1
    ),
    Engine(name="library", own_max_attempts=3, backoff_s=1, counts_unhandled=0, overrun="SRRCC", overrun_replies=2),
]  # fmt: skip
