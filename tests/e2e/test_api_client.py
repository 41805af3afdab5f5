"""A typed client, generated from docs/openapi.json, drives a command from its sending to its end and back."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.e2e.conftest import StartWorker
from tests.support.api import ALL, token_of, user_with
from tests.support.clusters import CHECKOUT
from tests.support.site import served_site
from tests.support.workers import LiveBus

PACKAGE = "command_bus_client"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder from which the package is imported."""
    folder = tmp_path_factory.mktemp("client")
    config = folder / "config.yml"
    config.write_text("post_hooks: []\n")
    program = Path(sys.executable).with_name("openapi-python-client")
    document = CHECKOUT / "docs" / "openapi.json"
    words = ["generate", "--path", document, "--output-path", folder / PACKAGE, "--meta", "none", "--config", config]
    command = [str(word) for word in (program, *words, "--fail-on-warning")]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert made.returncode == 0, made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{name}")


def call(operation: str, client: Any, *path: Any, **arguments: Any) -> Any:
    """What an operation answers, which has to be what its success is."""
    answer = part(f"api.{operation}").sync_detailed(*path, client=client, **arguments)
    assert answer.status_code < 300, answer.content
    return answer.parsed


def test_a_generated_client_sends_waits_looks_and_retries(
    client: Path, bus: LiveBus, start_worker: StartWorker, accounts: None
) -> None:
    models = part("models")
    token = token_of(user_with(*ALL), *ALL)
    start_worker()
    made = part("client").AuthenticatedClient
    with (
        served_site(bus.url, PUBLIC_READ="false") as site,
        made(base_url=site, token=token, raise_on_unexpected_status=True) as caller,
    ):
        behavior = models.BehaviorIn(type_=models.BehaviorType.FAIL_PERMANENT, error_code="NO_ACCOUNT")
        asked = models.SendIn(behavior=behavior, payload=models.SendInPayload.from_dict({"account": 7}))
        sent = call("commands.send_command", caller, body=asked)
        assert [str(status) for status in sent.expected.statuses] == ["IN_TROUBLESHOOTING_QUEUE"]

        found = call("commands.get_command", caller, sent.id, wait=20)
        assert (str(found.status), found.error.code) == ("IN_TROUBLESHOOTING_QUEUE", "NO_ACCOUNT")
        assert str(found.expected.verdict) == "MATCH"
        parked = call("tsq.list_parked", caller)
        assert [item.command_id for item in parked.items] == [sent.id]

        success = models.OtherBehaviorIn(type_=models.BehaviorType.SUCCESS)
        again = models.RetryIn(reason="the account is there now", behavior=success)
        assert str(call("tsq.retry_parked", caller, sent.id, body=again).status) == "PENDING"
        done = call("commands.get_command", caller, sent.id, wait=20)
        assert str(done.status) == "COMPLETED"
        audit = call("audit.get_audit", caller, sent.id)
        assert [str(event.event) for event in audit.items][::-1] == [
            "SENT", "RECEIVED", "MOVED_TO_TSQ", "OPERATOR_RETRY", "RECEIVED", "COMPLETED",
        ]  # fmt: skip
