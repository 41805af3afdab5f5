"""The stories that a made history consists of, and how many of its commands have each. Pure."""

from typing import Any

from bench.history.story import Story
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import OperationKind


def _does(kind: BehaviorType, **parameters: Any) -> Behavior:
    return Behavior(type=kind, **parameters)


_SUCCESS = _does(BehaviorType.SUCCESS)
_ONCE = _does(BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED)
_TWICE = _does(BehaviorType.FAIL_TRANSIENT_THEN_SUCCEED, transient_failures=2)
_LONG = _does(BehaviorType.TIMEOUT, execution_time_ms=45_000)  # longer than a lease, so it is delivered twice
_ENDLESS = _does(BehaviorType.TIMEOUT, execution_time_ms=100_000)  # longer than all its leases


def _permanent(code: str, message: str) -> Behavior:
    return _does(BehaviorType.FAIL_PERMANENT, error_code=code, error_message=message)


def _rule(code: str, message: str) -> Behavior:
    return _does(BehaviorType.BUSINESS_RULE, execution_time_ms=20, error_code=code, error_message=message)


_DOWN = _permanent("PROVIDER_DOWN", "The payment provider answers 503: Service Unavailable")
_TWICE_SENT = _permanent("DUPLICATE_ORDER", "This order has been paid by another command")
_UNKNOWN = _permanent("ACCOUNT_UNKNOWN", "No account has this number")
_ODD = _permanent("AMOUNT_MISMATCH", "The amount differs from that of the order")
_SLOW = _does(BehaviorType.FAIL_TRANSIENT, error_code="UPSTREAM_TIMEOUT", error_message="No answer within 2 s")

STORIES = (
    Story(word="SRC", weight=500, behavior=_SUCCESS),
    Story(word="SRC", weight=300, behavior=_does(BehaviorType.SUCCESS, execution_time_ms=50)),
    Story(word="SRC", weight=130, behavior=_does(BehaviorType.SUCCESS, execution_time_ms=250)),
    Story(word="SRFRC", weight=45, behavior=_ONCE),
    Story(word="SRFRFRC", weight=15, behavior=_TWICE),
    Story(word="SRRC", weight=4, behavior=_SUCCESS),  # the worker of its first attempt was lost
    Story(word="SRRCc", weight=2, behavior=_LONG),
    Story(word="SRTORC", weight=3, behavior=_DOWN, retried_as=_SUCCESS, bulk=OperationKind.RETRY,
          reason="The provider is back"),
    Story(word="SRTORC", weight=0.5, behavior=_UNKNOWN, retried_as=_SUCCESS, reason="The account is there now"),
    Story(word="SRTK", weight=0.5, behavior=_ODD, reason="Settled by phone"),
    Story(word="SRB", weight=6, behavior=_rule("LIMIT_EXCEEDED", "The customer's daily limit is exceeded")),
    Story(word="SRB", weight=3, behavior=_rule("NO_FUNDS", "The account has no funds")),
    Story(word="SRB", weight=1, behavior=_does(BehaviorType.BUSINESS_RULE)),
    Story(word="SRT", weight=30, behavior=_UNKNOWN),
    Story(word="SRT", weight=15, behavior=_ODD),
    Story(word="SRT", weight=10, behavior=_does(BehaviorType.FAIL_PERMANENT)),
    Story(word="SRFRFRT", weight=35, behavior=_SLOW),
    Story(word="SRFRFRT", weight=6, behavior=_does(BehaviorType.FAIL_TRANSIENT)),
    Story(word="SRRRTccc", weight=4, behavior=_ENDLESS),
    Story(word="SRTX", weight=90, behavior=_TWICE_SENT, bulk=OperationKind.CANCEL, reason="Sent twice by the shop"),
    Story(word="SRTX", weight=5, behavior=_UNKNOWN, reason="The customer has left"),
    Story(word="SX", weight=5, behavior=_SUCCESS, reason="Ordered by mistake"),
    Story(word="S", weight=90, behavior=_SUCCESS),
    Story(word="SRF", weight=8, behavior=_SLOW),
    Story(word="SR", weight=2, behavior=_does(BehaviorType.SUCCESS, execution_time_ms=250)),
)  # fmt: skip
