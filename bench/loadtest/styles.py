"""How load tests look to people: the icon, colour and word of each state, and what they are called with. Pure."""

from typing import Any

from commands.rules.formatting import Look

PHASES = {
    "emptying": "Emptying the domain",
    "starting": "Starting the workers",
    "sending": "Sending",
    "working": "All sent, working",
    "stopping": "Stopping the workers",
    "measuring": "Counting",
}

_LOOKS = {
    "running": (Look("play", "emerald", pulse=True), "Running"),
    "as expected": (Look("check", "cyan"), "As expected"),
    "not as expected": (Look("alert", "rose"), "Not as expected"),
    "interrupted": (Look("ban", "slate"), "Interrupted"),
    "failed": (Look("cross", "rose"), "Failed"),
    "lost": (Look("alert", "orange"), "Lost: its process died"),
}


def state_look(state: str, *, as_expected: bool | None, silent: bool) -> tuple[Look, str]:
    """Icon and colour, and the word, of a run: whatever its row says, a silent one is lost."""
    if silent:
        return _LOOKS["lost"]
    if state == "finished":
        return _LOOKS["as expected" if as_expected else "not as expected"]
    return _LOOKS[state]


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
    return f"manage.py loadtest {' '.join(words)}"
