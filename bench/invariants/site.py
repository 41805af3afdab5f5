"""Checks of the site's own commands: on a connection of their own, one at a time for a domain, and kept as rows."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from bench.invariants.check import MOST_S, Limits, check
from bench.report.document import RuleWord
from bench.scenarios.model import RunVerdict
from e2e_site.database import connection_params
from e2e_site.locks import held_lock
from e2e_site.options import SiteError
from settings_app.models import Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.report.document import Rule

logger = logging.getLogger(__name__)

KEPT = 100  # checks of each domain
WAIT_S = 8.0  # for a check that a request asked for; then it goes on without it
_KEEP = """
    INSERT INTO public.bench_check (domain, verdict, why, commands, seconds, rules)
    VALUES (%(domain)s, %(verdict)s, %(why)s, %(commands)s, %(seconds)s, %(rules)s::JSONB)
"""
_FORGET = """
    DELETE FROM public.bench_check WHERE domain = %(domain)s AND check_id <= (
        SELECT check_id FROM public.bench_check WHERE domain = %(domain)s
        ORDER BY check_id DESC OFFSET %(kept)s LIMIT 1)
"""


class CheckUnderWayError(SiteError):
    """A check of that domain is being made."""

    def __init__(self, domain: str) -> None:
        super().__init__(f"A check of domain {domain} is under way already: its verdict comes when it ends.")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check came to; ``seconds``: how long it took."""

    domain: str
    verdict: RunVerdict
    why: str
    commands: int
    seconds: float
    rules: list[Rule]

    def to_json(self) -> dict[str, Any]:
        """With the query of no rule: the program has them."""
        rules = [rule.model_dump(mode="json", exclude={"sql"}) for rule in self.rules]
        return {**vars(self), "verdict": self.verdict.value, "rules": rules}


def make_check(domain: str, *, seconds: float = MOST_S) -> Checked:
    """Check the domain now and keep what it came to. Raises CheckUnderWayError; psycopg.Error without a database."""
    return _make(connection_params(), limits_now(domain, seconds=seconds))


def begin_check(domain: str) -> bool:
    """Make a check in a thread of its own; whether it ended within `WAIT_S`. Raises as `make_check`."""
    params, limits = connection_params(), limits_now(domain)
    lock = _locked(params, domain)
    failed: list[Exception] = []

    def make() -> None:
        try:
            with lock:
                _checked(params, limits)
        except Exception as exc:
            logger.exception("a check of domain %s failed", domain, extra={"action": "check_failed"})
            failed.append(exc)  # raised below, where the request still waits

    thread = threading.Thread(target=make, name="check", daemon=True)
    thread.start()
    thread.join(WAIT_S)
    if failed:
        raise failed[0]
    return not thread.is_alive()


def limits_now(domain: str, *, seconds: float = MOST_S) -> Limits:
    """What rules compare with on this site, by its settings."""
    config = Configuration.load()
    return Limits(
        domain=domain,
        lease_s=config.visibility_timeout,
        base_delay_ms=config.base_delay_ms,
        max_delay_ms=config.max_delay_ms,
        backoff_multiplier=float(config.backoff_multiplier),
        heartbeat=config.heartbeat,
        poll_interval_s=float(config.poll_interval),
        seconds=seconds,
    )


def decide(rules: Sequence[Rule], commands: int) -> tuple[RunVerdict, str]:
    """The verdict on rules, and why in one sentence."""
    broken = [rule for rule in rules if rule.word is RuleWord.BROKEN]
    undecided = [rule for rule in rules if rule.word is RuleWord.UNKNOWN]
    if broken:
        first = broken[0]
        more = (
            f", and {len(broken) - 1} more rules are" if len(broken) > 2 else ", and another one is" * len(broken[1:])
        )
        times = f"{first.violations:,} time{'s' if first.violations > 1 else ''}"
        return RunVerdict.FAIL, f"{first.id} is broken {times}{more}. Not so: {first.text[0].lower()}{first.text[1:]}."
    if undecided:
        first = undecided[0]
        more = f" ({len(undecided) - 1} more)" if len(undecided) > 1 else ""
        return RunVerdict.UNKNOWN, f"{first.id} was not decided: {first.why}{more}."
    held = sum(rule.word is RuleWord.HOLDS for rule in rules)
    return RunVerdict.PASS, f"All {held} rules that could be asked hold for {commands:,} commands."


def _make(params: Mapping[str, Any], limits: Limits) -> Checked:
    with _locked(params, limits.domain):
        return _checked(params, limits)


def _locked(params: Mapping[str, Any], domain: str) -> psycopg.Connection[Any]:
    lock = held_lock(params, f"bench check {domain}")
    if lock is None:
        raise CheckUnderWayError(domain)
    return lock


def _checked(params: Mapping[str, Any], limits: Limits) -> Checked:
    with psycopg.connect(**params, autocommit=True, row_factory=dict_row) as conn:
        began = time.monotonic()
        rules = check(conn, limits)
        commands = next((rule.checked for rule in rules if rule.id == "V01" and rule.checked is not None), 0)
        verdict, why = decide(rules, commands)
        checked = Checked(
            domain=limits.domain, verdict=verdict, why=why, commands=commands, rules=rules,
            seconds=round(time.monotonic() - began, 3),
        )  # fmt: skip
        with conn.transaction():
            row = checked.to_json()
            conn.execute(_KEEP, {**row, "rules": json.dumps(row["rules"])})
            conn.execute(_FORGET, {"domain": limits.domain, "kept": KEPT})
        return checked
