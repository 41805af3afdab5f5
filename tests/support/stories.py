"""Commands that go through a given word, driven by hand with the SQL functions; both ledgers of a run are kept beside.

The ledgers are written as a sender and handlers would write them: by what they do and hear, not by the bus's tables.
"""

import json
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

from bench.invariants.check import Limits
from tests.support.bus import HandBus, Json, outcome

RUN = 1
LEASE_S = 30
DELAY_MS = 1000
PASSED_S = 40  # longer than a lease, and than a backoff

# Where every attempt comes to its end in time, and where leases run out or workers die. All have come to an end.
STRICT = (
    *("SRC", "SRFRC", "SRFRFRC", "SRT", "SRFRT", "SRFRFRT", "SRB", "SRFRB"),
    *("SRTORC", "SRTORFRC", "SRTORT", "SRFRFRTORB", "SRTX", "SRTK", "SRTORTK", "SX", "SRTOX"),
)
TOLERANT = (
    *("SRRC", "SRRCc", "SRRCf", "SRRfC", "SRRFC", "SRRFRC", "SRRFRTc", "SRRTf", "SRRBf"),
    *("SRRRT", "SRRRTccc", "SRRRTff", "SRRRTORC", "SRRRTcOX", "SRRRTKc"),
)
LIVE = ("S", "SR", "SRF", "SRFR", "SRR", "SRRF", "SRTO", "SRTOR", "SRRfR")


def limits(**more: Any) -> Limits:
    """The settings by which stories go."""
    given: dict[str, Any] = {
        "domain": "test", "lease_s": LEASE_S, "base_delay_ms": DELAY_MS, "max_delay_ms": DELAY_MS,
        "backoff_multiplier": 1.0, "heartbeat": False, "poll_interval_s": 1.0, **more,
    }  # fmt: skip
    return Limits(**given)


class Stories:
    """Plays words. `ids`: the command of each word. ``first``: from where on the sender's ledger counts."""

    def __init__(self, bus: HandBus, *, first: int = 0) -> None:
        self.bus = bus
        self.worker = uuid4()
        self.ids: dict[str, UUID] = {}
        self._open: list[Json] = []
        self._number = first

    def play(self, *words: str, reply: bool = True, batch: UUID | None = None) -> None:
        for word in words:
            command_id = self._sent(reply=reply, batch=batch)
            self.ids[word] = command_id
            self._open = []
            for before, letter in pairwise(word):
                self._step(command_id, before, letter)

    def play_batch(self, *words: str) -> UUID:
        """Commands of one batch."""
        batch = uuid4()
        self.bus.conn.execute(
            "INSERT INTO commandbus.batch (domain, batch_id, total_count) VALUES ('test', %s, %s)", [batch, len(words)]
        )
        before = dict(self.ids)
        self.play(*words, batch=batch)
        self.ids = {**self.ids, **before}
        return batch

    def tell(self, command_id: UUID, told: str) -> None:
        """What a sender was told, in its ledger."""
        self.bus.conn.execute(
            "INSERT INTO public.bench_send (run_id, number, command_id, kind, intended_at, sent_at, outcome)"
            " VALUES (%s, %s, %s, 'success', now(), now(), %s)", [RUN, self._number, command_id, told],
        )  # fmt: skip
        self._number += 1

    def pass_time(self, command_id: UUID, seconds: int = PASSED_S) -> None:
        """All that happened to a command is so much longer ago, and its lease or backoff is over."""
        for statement in (
            "UPDATE commandbus.audit SET ts = ts - make_interval(secs => %s) WHERE command_id = %s",
            "UPDATE public.bench_execution SET began_at = began_at - make_interval(secs => %s) WHERE command_id = %s",
        ):
            self.bus.conn.execute(statement, [seconds, command_id])
        self.bus.conn.execute(
            "UPDATE public.bench_execution SET ended_at = ended_at - make_interval(secs => %s) WHERE command_id = %s",
            [seconds, command_id],
        )
        self.bus.expire_lease(command_id)

    def pass_an_hour(self) -> None:
        """All of it happened an hour ago; messages stay as they are."""
        self.bus.conn.execute("UPDATE commandbus.audit SET ts = ts - interval '1 h'")
        self.bus.conn.execute(
            "UPDATE public.bench_execution"
            " SET began_at = began_at - interval '1 h', ended_at = ended_at - interval '1 h'"
        )

    def _sent(self, *, reply: bool, batch: UUID | None) -> UUID:
        command_id = self.bus.send(reply="test__replies" if reply else "")
        self.tell(command_id, "acknowledged")
        if batch is not None:
            self.bus.conn.execute(
                "UPDATE commandbus.command SET batch_id = %s WHERE command_id = %s", [batch, command_id]
            )
        return command_id

    def _step(self, command_id: UUID, before: str, letter: str) -> None:
        match letter:
            case "R":
                if before not in "SO":
                    self.pass_time(command_id)
                self._receive(command_id)
            case "F" | "B":
                self._end(command_id, {"F": "transient", "B": "business_rule"}[letter], self._open.pop())
            case "C" | "c" | "f":
                self._end(command_id, "transient" if letter == "f" else "success", self._open.pop(0))
            case "T":
                self._park(command_id)
            case "O":
                self._open = []
                self.bus.conn.execute("SELECT commandbus.operator_retry('test', %s, 'ann')", [command_id])
            case "K":
                self.bus.conn.execute("SELECT commandbus.operator_complete('test', %s, '{}', 'ann')", [command_id])
            case "X":
                self.bus.conn.execute(
                    "SELECT commandbus.end_commands('test', %s, 'CANCELED', 'ann', 'why', p_from => %s)",
                    [[command_id], "IN_TROUBLESHOOTING_QUEUE" if before not in "SO" else "PENDING"],
                )
            case _:
                raise ValueError(f"no step is called {letter}")

    def _receive(self, command_id: UUID) -> None:
        only = self.bus.command(command_id)["msg_id"]
        attempt = self.bus.receive(1, worker=self.worker, only=only, lease=LEASE_S, alone=True)["commands"].get(
            command_id
        )
        if attempt is None:  # it was parked
            return
        self._open.append(attempt)
        self.bus.conn.execute(
            "INSERT INTO public.bench_execution (run_id, command_id, msg_id, attempt, worker, pid, began_at)"
            " VALUES (%s, %s, %s, %s, 'w1', 1, clock_timestamp())",
            [RUN, command_id, attempt["msg_id"], attempt["attempt"]],
        )

    def _end(self, command_id: UUID, kind: str, attempt: Json) -> None:
        self.bus.conn.execute(
            "UPDATE public.bench_execution SET ended_at = clock_timestamp(), outcome = %s"
            " WHERE command_id = %s AND msg_id = %s AND attempt = %s",
            ["ok" if kind == "success" else "SimulatedFailure", command_id, attempt["msg_id"], attempt["attempt"]],
        )
        more: Json = {"result": {"status": "success"}} if kind == "success" else {"delay_ms": DELAY_MS}
        self.bus.finish(outcome(command_id, attempt, kind, **more))

    def _park(self, command_id: UUID) -> None:
        newest = self._open[-1]
        if len(self._open) == newest["max_attempts"]:  # none of them ended: its lease runs out
            self.pass_time(command_id)
            self._receive(command_id)
        else:
            last = newest["attempt"] == newest["max_attempts"]
            self._end(command_id, "transient" if last else "permanent", self._open.pop())


def with_strays(stories: Stories) -> None:
    """What else a run has: sends whose answers never came, refused ones, messages that are no command, a mended one."""
    bus = stories.bus
    recovered = bus.send()
    stories.ids["recovered"] = recovered
    stories.tell(recovered, "unknown")
    attempt = bus.receive(1, worker=stories.worker, only=bus.command(recovered)["msg_id"])["commands"][recovered]
    bus.conn.execute(
        "INSERT INTO public.bench_execution"
        " VALUES (%s, %s, %s, 1, 'w1', 1, clock_timestamp(), clock_timestamp(), 'ok')",
        [RUN, recovered, attempt["msg_id"]],
    )
    bus.finish(outcome(recovered, attempt, result={}))
    stories.tell(uuid4(), "unknown")
    stories.tell(uuid4(), "error")
    messages: list[Any] = [{}, [], {"command_id": "nobody"}, {"command_id": str(uuid4())}]
    for message in messages:
        bus.receive(1, worker=stories.worker, only=bus.send_message(message))


def mend_one(stories: Stories) -> None:
    """A command whose message was lost is sent again by an operator, and waits."""
    bus = stories.bus
    command_id = bus.send()
    stories.tell(command_id, "acknowledged")
    stories.ids["SO"] = command_id
    message = bus.value(
        "SELECT message FROM pgmq.q_test__commands WHERE message ->> 'command_id' = %s", [str(command_id)]
    )
    bus.conn.execute("DELETE FROM pgmq.q_test__commands WHERE message ->> 'command_id' = %s", [str(command_id)])
    bus.conn.execute("SELECT commandbus.send_lost_message('test', %s, 'ann', 'it was lost')", [json.dumps(message)])
