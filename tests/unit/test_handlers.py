"""commands/worker/handlers.py: what performs a domain's commands, with and without a module of one's own."""

import sys
from pathlib import Path

import pytest

from commands.worker.handlers import HandlersError, handle_test_command, registry_of

ASYNC = "async def one(command, context): ...\n"
REFUSED = [
    (None, "it cannot be imported: ModuleNotFoundError: No module named 'mine'"),
    ("import nothing_such", "it cannot be imported: ModuleNotFoundError: No module named 'nothing_such'"),
    ("def register(registry) registry", "it cannot be imported: SyntaxError: "),
    ("raise SystemExit('no')", "it cannot be imported: SystemExit: no"),
    ("register = None", "it has no function register(registry)"),
    ("def register(): ...", "its register(registry) fails: TypeError: register() takes 0 positional arguments"),
    ("def register(registry): ...", "its register(registry) registers no handler"),
    (
        ASYNC + "def register(registry):\n    for _ in range(2): registry.register('test', 'One', one)",
        "it registers test.One, twice",
    ),
    (
        ASYNC + "def register(registry): registry.register('test', 'TestCommand', one)",
        "it registers test.TestCommand, which the site performs itself",
    ),
    (
        ASYNC + "def register(registry): registry.register('orders', 'One', one)",
        "it registers orders.One; this worker's domain is test",
    ),
    (
        "def register(registry): registry.register_sync('test', 'One', print)",
        "test.One must be an async function",
    ),
]


@pytest.fixture(autouse=True)
def _forget_the_module() -> None:
    sys.modules.pop("mine", None)


@pytest.mark.parametrize(("text", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_a_module_that_cannot_be_used_is_refused_and_the_error_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, why: str
) -> None:
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HandlersError) as caught:
        registry_of("test", "mine")
    assert str(caught.value).startswith(f"--handlers mine: {why}")
    assert caught.value.exit_code == 2


def test_handlers_of_a_module_stand_beside_the_sites_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(ASYNC + "def register(registry): registry.register('orders', 'One', one)")
    monkeypatch.syspath_prepend(tmp_path)
    registry = registry_of("orders", "mine")
    assert sorted(registry.registered_handlers()) == [("orders", "One"), ("orders", "TestCommand")]
    assert registry.get("orders", "TestCommand") is handle_test_command
