"""How fast commands are sent: in bulk by this site, by the library's send_batch, and what PostgreSQL allows."""

from bench.benchmark.case import Metric, Run, case
from bench.benchmark.pgbench import Step
from bench.benchmark.program import answer_of
from bench.errors import BenchError
from commands.bus.bulk import CHUNK_SIZE, NewCommand
from commands.rules.behaviors import Behavior, BehaviorType
from commands.rules.words import COMMAND_TYPE, DOMAIN, reply_queue

_RATE = "commands/s"
_PREFIX = "@@@@@@@@-@@@@"  # in place of the time that an id begins with
# New for each chunk: the time in tenths of a millisecond, and which connection it is.
_NEW_PREFIX = """
    SELECT left(digits, 8) || '-' || right(digits, 4) FROM (SELECT lpad(to_hex(
        ((extract(epoch FROM clock_timestamp()) * 10000)::bigint & 17592186044415) * 16 + :client_id::bigint
    ), 12, '0') AS digits) AS made
"""


def send_script(commands: int) -> list[Step]:
    """One chunk, as a sender makes its text; the ids are new in each, and grow with time as a sender's do."""
    behavior = Behavior(type=BehaviorType.SUCCESS)
    known = [NewCommand(behavior=behavior) for _ in range(commands)]
    rests = sorted(str(command.command_id)[len(_PREFIX) :] for command in known)
    body = ",".join(
        command.to_json().replace(str(command.command_id), f"{_PREFIX}{rest}")
        for command, rest in zip(known, rests, strict=True)
    )
    sql = "SELECT commandbus.send_commands(:domain, :type, replace('[%s]', '%s', (%s))::jsonb, 3, :replies)"
    return [Step(sql=sql % (body, _PREFIX, _NEW_PREFIX))]


@case(
    "send",
    "Sending",
    sizes={"commands": 100_000, "library": 10_000},
    quick={"commands": 20_000, "library": 2_000},
    metrics={
        "one": Metric(label="in bulk, one connection", unit=_RATE),
        "two": Metric(label="in bulk, two connections", unit=_RATE),
        "library": Metric(label="library's send_batch, one connection", unit=_RATE),
        "ceiling-one": Metric(label="ceiling: the same SQL, one connection", unit=_RATE),
        "ceiling-two": Metric(label="ceiling: the same SQL, two connections", unit=_RATE),
    },
    seconds=12,
)
def send(run: Run) -> None:
    """Chunks of 5,000 (library: its own 1,000); the library writes no test_command rows, so it has less to do."""
    for _ in range(run.rounds):
        for metric, connections in (("one", 1), ("two", 2)):
            run.record(metric, run.sizes["commands"] / _send(run, connections)["seconds"])
            run.record(f"ceiling-{metric}", _ceiling(run, f"ceiling-{metric}", connections))
        run.testbed.empty()
        answer = answer_of(run.testbed.database, "library_programs", "send", "--count", str(run.sizes["library"]))
        run.record("library", run.sizes["library"] / answer["seconds"])


@case(
    "million",
    "Sending a million",
    sizes={"commands": 1_000_000},
    quick={"commands": 50_000},
    metrics={
        "seconds": Metric(label="commands sent on two connections, time", unit="s", digits=1),
        "memory": Metric(label="most memory of the sender", unit="MB"),
    },
    seconds=0,
    once_s=25,
)
def million(run: Run) -> None:
    """One process, two connections, as a stream."""
    answer = _send(run, 2)
    run.record("seconds", answer["seconds"])
    run.record("memory", answer["peak_mb"])


def _send(run: Run, connections: int) -> dict[str, float]:
    run.testbed.empty()
    words = ("--count", str(run.sizes["commands"]), "--connections", str(connections))
    return answer_of(run.testbed.database, "sender", *words)


def _ceiling(run: Run, metric: str, connections: int) -> float:
    run.testbed.empty()
    chunk = min(CHUNK_SIZE, run.sizes["commands"] // connections)
    times = run.sizes["commands"] // (chunk * connections)
    variables = {"domain": DOMAIN, "type": COMMAND_TYPE, "replies": reply_queue(DOMAIN)}
    script = send_script(chunk)
    with run.processors(metric):
        transactions = run.ceiling.run(run.testbed.database, script, variables, clients=connections, times=times)
    sent = run.testbed.value("SELECT count(*) FROM commandbus.command")
    if sent != chunk * times * connections:
        raise BenchError(f"pgbench sent {sent:,} of {chunk * times * connections:,} commands.")
    return transactions * chunk
