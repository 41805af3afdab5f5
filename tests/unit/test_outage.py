"""e2e_site/database.py: an outage is said once, however many connections meet it, and whenever they notice."""

import logging
import time
from collections.abc import Callable

import pytest

from e2e_site.database import Outage

LOST = OSError("the server closed the connection\nunexpectedly")


Said = Callable[[], list[str]]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    caplog.set_level(logging.INFO)
    return lambda: [vars(record)["action"] for record in caplog.records]


def test_an_outage_and_its_end_are_said_once(said: Said, caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage()
    for _ in range(3):
        outage.begins(LOST)
    for _ in range(3):
        outage.ends()
    assert said() == ["database_lost", "database_back"]
    assert "the server closed the connection" in caplog.messages[0]
    assert "\n" not in caplog.messages[0]


def test_a_connection_that_notices_late_is_not_another_outage(said: Said) -> None:
    outage = Outage()
    opened = time.monotonic()
    outage.begins(LOST, opened)
    outage.ends()
    outage.begins(LOST, opened)
    assert said() == ["database_lost", "database_back"]


def test_a_newer_connection_that_breaks_is_another_outage(said: Said) -> None:
    outage = Outage()
    outage.begins(LOST, time.monotonic())
    outage.ends()
    outage.begins(LOST, time.monotonic())
    assert said() == ["database_lost", "database_back", "database_lost"]
