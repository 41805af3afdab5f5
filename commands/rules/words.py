"""Words of the bus, each written once: statuses, events, outcomes, replies, engines, the domain and its queues. Pure.

Spelled as the library spells them (a test compares both); ours are marked. Labels are what people read.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

DOMAIN = "test"  # whose commands the site sends and shows unless another is named; others are rows of commandbus.domain
COMMAND_TYPE = "TestCommand"


def command_queue(domain: str) -> str:
    """The queue in which commands of a domain wait."""
    return f"{domain}__commands"


def reply_queue(domain: str) -> str:
    """The queue in which replies of a domain wait."""
    return f"{domain}__replies"


def queue_table(queue: str) -> str:
    """The table of schema ``pgmq`` with the messages of a queue."""
    return f"q_{queue}"


def archive_table(queue: str) -> str:
    """The table of schema ``pgmq`` with the archived messages of a queue."""
    return f"a_{queue}"


class Word(StrEnum):
    """A word with its ``label`` for people."""

    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        word = str.__new__(cls, value)
        word._value_ = value
        word.label = label
        return word

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """Each with its label, as model and form fields take them."""
        return [(word.value, word.label) for word in cls]

    @classmethod
    def label_of(cls, value: str) -> str:
        """The label of a word; a word of a newer library is its own."""
        return cls(value).label if value in cls._value2member_map_ else value


class Status(Word):
    """Where a command stands (``commandbus.command.status``)."""

    PENDING = "PENDING", "Pending"  # sent, no attempt begun on its current message
    IN_PROGRESS = "IN_PROGRESS", "In progress"  # an attempt has begun; also while it waits for a retry
    COMPLETED = "COMPLETED", "Completed"  # final
    FAILED = "FAILED", "Failed"  # final: a business rule said no
    CANCELED = "CANCELED", "Canceled"  # final: by an operator
    IN_TROUBLESHOOTING_QUEUE = "IN_TROUBLESHOOTING_QUEUE", "In TSQ"  # final, until an operator acts

    @property
    def is_final(self) -> bool:
        """No worker changes it any more; out of the troubleshooting queue only an operator leads."""
        return self not in (Status.PENDING, Status.IN_PROGRESS)


class EventType(Word):
    """What happened to a command (``commandbus.audit.event_type``)."""

    SENT = "SENT", "Sent"
    RECEIVED = "RECEIVED", "Received"  # an attempt begins
    COMPLETED = "COMPLETED", "Completed"
    FAILED = "FAILED", "Failed, will be retried"
    RETRY_SCHEDULED = "RETRY_SCHEDULED", "Retry scheduled"  # the library declares it and never writes it
    RETRY_EXHAUSTED = "RETRY_EXHAUSTED", "Retries exhausted"  # the library declares it and never writes it
    MOVED_TO_TSQ = "MOVED_TO_TSQ", "Moved to TSQ"
    BUSINESS_RULE_FAILED = "BUSINESS_RULE_FAILED", "Business rule failed"
    OPERATOR_RETRY = "OPERATOR_RETRY", "Retried by operator"
    OPERATOR_CANCEL = "OPERATOR_CANCEL", "Canceled by operator"
    OPERATOR_COMPLETE = "OPERATOR_COMPLETE", "Completed by operator"
    BATCH_STARTED = "BATCH_STARTED", "Batch started"  # under the batch's id; written by SQL, not in the library's enum
    BATCH_COMPLETED = "BATCH_COMPLETED", "Batch completed"  # as BATCH_STARTED
    LATE_COMPLETED = "LATE_COMPLETED", "Completed too late"  # ours: a success that no longer counted
    LATE_FAILED = "LATE_FAILED", "Failed too late"  # ours: a failure that no longer counted
    MESSAGE_REJECTED = "MESSAGE_REJECTED", "Message rejected"  # ours: a message that is no command


class MessageState(Word):
    """Where the message of a command stands in its queue (ours)."""

    WAITING = "waiting", "Waiting"  # a worker may take it now
    RUNNING = "running", "Running"  # an attempt has begun and not ended
    DELAYED = "delayed", "Delayed"  # not before its time comes: a retry, as a rule


# One letter for each event that a command can have, so that its story is a word: SRFRC. What comes too late is small.
LETTERS: Mapping[EventType, str] = {
    EventType.SENT: "S",
    EventType.RECEIVED: "R",
    EventType.FAILED: "F",
    EventType.COMPLETED: "C",
    EventType.MOVED_TO_TSQ: "T",
    EventType.BUSINESS_RULE_FAILED: "B",
    EventType.OPERATOR_RETRY: "O",
    EventType.OPERATOR_COMPLETE: "K",
    EventType.OPERATOR_CANCEL: "X",
    EventType.LATE_COMPLETED: "c",
    EventType.LATE_FAILED: "f",
}
LATE = (EventType.LATE_COMPLETED, EventType.LATE_FAILED)  # ends that no longer counted

LEASE_EXPIRED = "LEASE_EXPIRED"  # code and reason of a command whose last delivery's lease ran out


UNREADABLE = "UNREADABLE"  # code of a command that the database holds and Python cannot read
INVALID_RESULT = "INVALID_RESULT"  # code of an attempt whose handler returned what cannot be stored


class OperationKind(Word):
    """What people ask to be done (``public.e2e_operation.kind``)."""

    SEND = "send", "Send"  # many new commands
    RETRY = "retry", "Retry"  # parked ones, again from their first attempt
    CANCEL = "cancel", "Cancel"  # parked ones, for good
    COMPLETE = "complete", "Complete"  # parked ones, by hand


def operation_permission(kind: str) -> str:
    """The permission of those who may ask for operations of a kind, and cancel them."""
    return "commands.add_testcommand" if kind == OperationKind.SEND else "commands.operate_command"


class OperationState(Word):
    """Where an operation stands (``public.e2e_operation.state``)."""

    WAITING = "waiting", "Waiting"  # no chunk of it was worked off
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CANCELED = "canceled", "Canceled"  # by a person, between two chunks
    STOPPED = "stopped", "Stopped by its canary"
    FAILED = "failed", "Failed"

    @property
    def is_over(self) -> bool:
        return self not in (OperationState.WAITING, OperationState.RUNNING)


# What operators did, as events; ix_audit_action and its relatives hold these alone.
OPERATOR_EVENTS = (EventType.OPERATOR_RETRY, EventType.OPERATOR_CANCEL, EventType.OPERATOR_COMPLETE)


class OutcomeKind(StrEnum):
    """How an attempt ended, in the words of ``commandbus.outcome``."""

    SUCCESS = "success"  # the handler returned
    TRANSIENT = "transient"  # to be tried again, also after any error that says nothing else
    PERMANENT = "permanent"  # an operator has to see it
    BUSINESS_RULE = "business_rule"  # the command's own rules say no; no operator is needed


class ReplyOutcome(StrEnum):
    """What a reply says of its command."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class Engine(StrEnum):
    """What performs commands in a worker (``public.e2e_worker.engine``)."""

    NATIVE = "native"  # ours
    LIBRARY = "library"  # the library's Worker as published, to compare
