"""How load tests look to people: the icon, colour and word of each state, and what they are called with. Pure."""

from typing import Any

from bench.loadtest.options import NUMBERS
from commands.rules.formatting import Style

PHASES = {
    "preparing": "Making a database",
    "starting": "Starting the workers",
    "sending": "Sending",
    "working": "All sent, working",
    "stopping": "Stopping the workers",
    "measuring": "Counting",
}

_STYLES = {
    "running": (Style("play", "emerald", pulse=True), "Running"),
    "as expected": (Style("check", "cyan"), "As expected"),
    "not as expected": (Style("alert", "rose"), "Not as expected"),
    "interrupted": (Style("ban", "slate"), "Interrupted"),
    "failed": (Style("cross", "rose"), "Failed"),
    "lost": (Style("alert", "orange"), "Lost: its process died"),
}


def state_style(state: str, *, as_expected: bool | None, silent: bool) -> tuple[Style, str]:
    """Icon and colour, and the word, of a run: whatever its row says, a silent one is lost."""
    if silent:
        return _STYLES["lost"]
    if state == "finished":
        return _STYLES["as expected" if as_expected else "not as expected"]
    return _STYLES[state]


def command_line(options: dict[str, Any]) -> str:
    """The command that runs the same test again, with the settings as they were."""
    mix = ",".join(f"{name}={weight:g}" for name, weight in options["mix"].items())
    words = [f"--commands {options['commands']}", f"--workers {options['workers']}", f"--mix {mix}"]
    if options["execution_time_ms"]:
        words.append(f"--execution-time {options['execution_time_ms']}")
    if options["rate"]:
        words.append(f"--rate {options['rate']:g}")
    words += [f"--{name.replace('_', '-')} {options[name]}" for name in ("concurrency", "batch_size")]
    words += [f"--lease {options['lease_s']}", f"--seed {options['seed']}"]
    if options["max_wait_s"] != NUMBERS["max_wait"].default:
        words.append(f"--max-wait {options['max_wait_s']}")
    return f"manage.py loadtest {' '.join(words)}"
