"""Text from outside on the pages: it turns no line round, hides nothing, breaks no page, and is shown as stored."""

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from commands.bus.operations import Mix, send_many
from commands.rules.behaviors import Behavior, BehaviorType
from tests.integration.test_pages import ask, begin, finish, send, text, worker
from tests.support.load_runs import add_run

pytestmark = pytest.mark.django_db

HOSTILE = "gpj.\u202etxt exe\u200b\x1b"
SHOWN = "gpj.\\u202etxt exe\\u200b\\u001b"


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.PUBLIC_READ = True


@pytest.fixture
def hostile() -> UUID:
    """A command whose every text that a foreign hand may write is hostile; also a worker, a rejected message, a run."""
    sent = send(payload={"key": HOSTILE})
    attempt = begin()[sent]
    finish(attempt, "permanent", error_code=HOSTILE, error_msg=HOSTILE)
    ask(
        "UPDATE public.test_command SET behavior = %s, result = %s",
        json.dumps({"type": HOSTILE, "error_code": HOSTILE}),
        json.dumps(HOSTILE),
    )
    ask("UPDATE commandbus.command SET reply_queue = %s", HOSTILE)
    ask("SELECT pgmq.send('test__commands', %s::jsonb)", json.dumps({"x": HOSTILE}))
    begin()
    worker(HOSTILE)
    ask("UPDATE public.e2e_worker SET overrides = %s", json.dumps({HOSTILE: HOSTILE}))
    ask("UPDATE public.e2e_config SET updated_by = %s", HOSTILE)
    worker_id = ask("SELECT worker_id::text FROM public.e2e_worker")
    details = json.dumps({"worker": worker_id, "operator": HOSTILE, "reason": HOSTILE})
    ask(
        "UPDATE commandbus.audit SET details_json = coalesce(details_json, '{}') || %s WHERE command_id = %s",
        details,
        sent,
    )
    add_run(connection.connection, host=HOSTILE, verdict=HOSTILE)
    mix = Mix(parts=[(Behavior(type=BehaviorType.FAIL_PERMANENT, error_code=HOSTILE), 1)], count=1)
    send_many(mix, operator=HOSTILE, reason=HOSTILE)
    return sent


def test_no_page_lets_a_text_turn_a_line_round_or_hide_something(
    hostile: UUID, client_of: Callable[..., Client]
) -> None:
    client = client_of(
        "ada", "view_command", "view_auditevent", "view_testcommand", "view_configuration", "view_loadrun"
    )
    (run,) = re.findall(r"/loadtests/(\d+)/", client.get("/loadtests/").text)
    event = ask("SELECT max(audit_id) FROM commandbus.audit WHERE event_type = 'MOVED_TO_TSQ'")
    operation = ask("SELECT operation_id FROM public.e2e_operation")
    pages = [
        "/",
        "/operations/",
        f"/operations/{operation}/",
        f"/commands/{hostile}/",
        f"/loadtests/{run}/",
        "/admin/commands/command/",
        f"/admin/commands/command/{hostile}/change/",
        "/admin/commands/auditevent/",
        f"/admin/commands/auditevent/{event}/change/",
        "/admin/settings_app/configuration/1/change/",
        f"/?domain={HOSTILE}",
        f"/{HOSTILE}/",
    ]
    for address in pages:
        page = client.get(address).text
        assert SHOWN in page, address
        assert not set(HOSTILE) & set(page) - set(map(chr, range(32, 127))), address
        # In a tag of its own, but for JSON, whose lines are its own anyway, and tooltips.
        outside = re.sub(r"<bdi>[^<]*</bdi>|<pre .*?</pre>|<[^>]*>|<title>.*?</title>", "", page, flags=re.DOTALL)
        assert SHOWN not in outside, address


@pytest.mark.parametrize("digits", ["1" * 5000, "0." + "7" * 60])
def test_a_payload_is_shown_as_it_is_stored(digits: str) -> None:
    sent = send()
    ask("UPDATE public.test_command SET payload = %s::jsonb", f'{{"n": {digits}}}')
    assert f"&quot;n&quot;: {digits}" in Client().get(f"/commands/{sent}/live/").text


def test_what_is_long_is_folded_and_what_is_too_long_is_cut() -> None:
    sent = send(payload={"blob": "x" * 60_000})
    finish(begin()[sent], "permanent", error_msg="m" * 3000)
    page = Client().get(f"/commands/{sent}/").text
    payload = re.search(r'<details class="folded" id="payload-fold">.*?</details>', page, re.DOTALL)
    assert payload is not None
    assert "60,0" in text(payload[0])
    assert "x" * 60_000 in payload[0]
    assert len(re.findall(r"<details [^>]*>\s*<summary><bdi>(?:E: )?m{190,200}…</bdi>", page)) == 2
    ask("UPDATE public.test_command SET payload = jsonb_build_object('a', repeat('x', 300000))")
    page = Client().get(f"/commands/{sent}/").text
    assert "Only its first 200000 characters are shown: Raw has all of it." in text(page)
    assert len(page) < 300_000


@pytest.mark.parametrize(
    "details", [None, "text", 7, [1], {"attempt": "x", "msg_id": [], "delay_ms": "soon", "worker": 5}]
)
def test_events_with_any_details_are_shown(details: Any) -> None:
    sent = send()
    begin()
    ask("UPDATE commandbus.audit SET details_json = %s WHERE event_type = 'RECEIVED'", json.dumps(details))
    assert "Received" in Client().get("/").text
    assert "Attempt 0: " in text(Client().get(f"/commands/{sent}/").text)
