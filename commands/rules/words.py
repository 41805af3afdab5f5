"""Words of the bus: what a command's status and an audit event may be called.

Spelled as the library spells them (a test compares both); ours are marked. Labels are what people read.
"""

from django.db import models

DOMAIN = "test"
COMMAND_TYPE = "TestCommand"
COMMAND_QUEUE = "test__commands"
REPLY_QUEUE = "test__replies"
LOADTEST_DOMAIN = "loadtest"  # what load tests send and empty; left out of the console's counts
DOMAINS = (DOMAIN, LOADTEST_DOMAIN)
DOMAIN_LABELS = {DOMAIN: "Test commands", LOADTEST_DOMAIN: "Load tests"}


def command_queue(domain: str) -> str:
    """The queue in which commands of a domain wait."""
    return f"{domain}__commands"


def reply_queue(domain: str) -> str:
    """The queue in which replies of a domain wait."""
    return f"{domain}__replies"


class Status(models.TextChoices):
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


class EventType(models.TextChoices):
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
