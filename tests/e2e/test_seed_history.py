"""``manage.py seed_history``, from outside."""

import signal

import psycopg

from tests.conftest import StartManage


def test_it_says_what_is_there_after_ctrl_c_and_nothing_half_done_is(start_manage: StartManage, committed: str) -> None:
    program = start_manage("seed_history", "--commands", "300000", "--days", "3000")
    program.wait_for_output("of 300,000", 30)
    program.send_signal(signal.SIGINT)
    assert program.wait(30) == 130
    (said,) = [line for line in program.output.splitlines() if line.startswith("Interrupted.")]
    with psycopg.connect(committed) as conn:
        row = conn.execute("SELECT (SELECT count(*) FROM commandbus.command), (SELECT count(*) FROM commandbus.audit)")
        commands, events = row.fetchone() or (0, 0)
    assert said.startswith(f"Interrupted. There are {commands:,} commands with {events:,} events")
    assert 0 < commands < 300_000
