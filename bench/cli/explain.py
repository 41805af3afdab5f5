"""``manage.py bench explain``: what has to become of a command, before anything is sent."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from bench.scenarios.units import Duration
from commands.rules.behaviors import (
    MAX_EXECUTION_TIME_MS,
    MAX_TRANSIENT_FAILURES,
    PARAMETERS,
    Behavior,
    BehaviorError,
    BehaviorType,
)
from commands.rules.courses import Circumstances
from commands.rules.differences import told as events_of
from commands.rules.expectation import Bounds, Expectation, expectation
from commands.rules.formatting import duration
from commands.rules.sentence import attempts_text, sentence
from commands.rules.words import Status
from e2e_site.options import Exit, Number, SiteError, told
from settings_app.values import SETTINGS

HELP = "Say what has to become of a command: statuses, attempts, events, times, replies."
MOST_SLOTS = 1000


class CallError(SiteError):
    """Such a command there cannot be."""

    exit_code = Exit.REFUSED


def add_arguments(parser: ArgumentParser) -> None:
    default = {name: setting.default for name, setting in SETTINGS.items()}
    parser.add_argument("behavior", choices=[kind.value for kind in BehaviorType], metavar="BEHAVIOR", help="its type")
    parser.add_argument(
        "--failures", type=Number(1, MAX_TRANSIENT_FAILURES), metavar="N", help="of fail_transient_then_succeed (1)"
    )
    parser.add_argument(
        "--sleep", type=told(Duration.parse), default=Duration(0), metavar="TIME",
        help="how long each attempt works: 500ms, 5s, 2m, or 1.5L, in leases (0)",
    )  # fmt: skip
    parser.add_argument("--lease", **_setting("visibility_timeout"), help="visibility_timeout, in seconds")
    parser.add_argument("--attempts", **_setting("max_attempts"), help=f"max_attempts ({default['max_attempts']})")
    parser.add_argument("--base-delay", **_setting("base_delay_ms"), help="before the first retry, in ms")
    parser.add_argument("--max-delay", **_setting("max_delay_ms"), help="before any retry, in ms")
    parser.add_argument("--multiplier", **_setting("backoff_multiplier"), help="of the delay, from retry to retry")
    parser.add_argument("--heartbeat", action="store_true", help="workers extend the leases of running attempts")
    parser.add_argument(
        "--slots", type=Number(1, MOST_SLOTS), metavar="N", help="free for it all the time; else unknown"
    )
    parser.add_argument(
        "--kills", type=Number(0, MAX_TRANSIENT_FAILURES), default=0, metavar="N",
        help="so many of its attempts come to no end (0)",
    )  # fmt: skip
    parser.add_argument("--no-reply", action="store_true", help="it asks for no reply")
    parser.add_argument("--json", action="store_true", help="one JSON document")


def _setting(name: str) -> dict[str, Any]:
    setting = SETTINGS[name]
    default = float(setting.default) if setting.places else int(setting.default)
    return {"type": setting.option, "default": default, "metavar": "N"}


def handle(options: dict[str, Any], out: Any) -> Exit:
    circumstances = _circumstances(options)
    expected, said = expectation(circumstances), sentence(circumstances)
    said = f"{said[0].upper()}{said[1:]}."
    if options["json"]:
        out.write(json.dumps(_document(expected, said)))
        return Exit.DONE
    out.write(said)
    for name, text in _lines(expected):
        out.write(f"{name:<10}{text}")
    return Exit.DONE


def _circumstances(options: dict[str, Any]) -> Circumstances:
    kind = BehaviorType(options["behavior"])
    if options["failures"] is not None and "transient_failures" not in PARAMETERS[kind]:
        raise CallError(f"--failures is of fail_transient_then_succeed; {kind} has none.")
    work_ms = round(options["sleep"].seconds(options["lease"]) * 1000)
    if work_ms > MAX_EXECUTION_TIME_MS:
        raise CallError(f"--sleep must be at most {duration(MAX_EXECUTION_TIME_MS)}, not {options['sleep']}.")
    try:
        behavior = Behavior(type=kind, execution_time_ms=work_ms, transient_failures=options["failures"] or 1)
    except BehaviorError as exc:
        raise CallError(exc.message) from exc
    return Circumstances(
        behavior=behavior,
        max_attempts=options["attempts"],
        lease_s=options["lease"],
        base_delay_ms=options["base_delay"],
        max_delay_ms=max(options["max_delay"], options["base_delay"]),
        backoff_multiplier=options["multiplier"],
        heartbeat=options["heartbeat"],
        slots=options["slots"],
        kills=options["kills"],
        reply=not options["no_reply"],
    )


def _lines(expected: Expectation) -> Iterator[tuple[str, str]]:
    yield "Status", " or ".join(status.label for status in _ordered(expected))
    yield "Attempts", attempts_text(expected.attempts)
    yield "Retries", _range(expected.retries)
    yield "Events", f"{expected.word}: {events_of(expected.word)}" if expected.word else f"as {expected.pattern}"
    if expected.late_completed.most or expected.late_failed.most:
        late = f"{_range(expected.late_completed)} completed, {_range(expected.late_failed)} failed"
        yield "Too late", late
    yield "Replies", f"{_range(expected.replies)}, {expected.reply}" if expected.reply else "none"
    ends = expected.ends_ms
    yield "Ends", f"{duration(ends.least)} to {duration(ends.most)} after its first attempt began"


def _document(expected: Expectation, said: str) -> dict[str, Any]:
    def pair(bounds: Bounds) -> list[int]:
        return [bounds.least, bounds.most]

    return {
        "sentence": said,
        "statuses": [status.value for status in _ordered(expected)],
        "attempts": pair(expected.attempts),
        "retries": pair(expected.retries),
        "word": expected.word,
        "pattern": expected.pattern,
        "late_completed": pair(expected.late_completed),
        "late_failed": pair(expected.late_failed),
        "replies": pair(expected.replies),
        "reply": expected.reply,
        "ends_ms": pair(expected.ends_ms),
    }


def _ordered(expected: Expectation) -> list[Status]:
    return [status for status in Status if status in expected.statuses]


def _range(bounds: Bounds) -> str:
    return f"{bounds.least}" if bounds.least == bounds.most else f"{bounds.least} to {bounds.most}"
