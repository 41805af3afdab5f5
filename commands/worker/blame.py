"""Which errors of the server blame what is in a batch, and not the moment: then parts of the batch go on without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

# SQLSTATE classes: data, constraint, raised by a function or a trigger.
_IN_THE_BATCH = ("22", "23", "P0")

AT_RECEIVE = _IN_THE_BATCH
# Class 42 too, syntax or access: an outcome can lead a trigger to something that is not there, or not allowed, and an
# outcome that waits for ever would keep all others waiting. A receive that meets class 42 lacks the function itself;
# taken one by one the messages would meet it again.
AT_FINISH = (*_IN_THE_BATCH, "42")


def blames_the_batch(error: psycopg.Error, classes: tuple[str, ...]) -> bool:
    """Whether the server refused a batch with an error of these classes."""
    return (error.sqlstate or "").startswith(classes)
