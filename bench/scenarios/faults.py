"""The faults that a scenario can have, each with what it takes. Pure: `bench.faults` injects them.

Each names the moment ``at`` which it begins (``steady+4s``). What is random in it follows from the seed of the run.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.scenarios.units import Duration

SHORT_DELAY_S = 0.1


class AnyFault(BaseModel):
    """``needs_cluster``: it cannot be done to a server that others use. ``needs_small_disk``: nor on a large disk.

    ``needs_proxy`` and ``needs_sender_proxy``: it is done to the network of the workers, of the sender.
    ``loses_attempts``: an attempt may come to no end by it; ``overruns``: an attempt may outlive its lease by it. Only
    then are a further attempt, and the duplicates that it brings, ALLOWED.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    needs_cluster: ClassVar[bool] = False
    needs_small_disk: ClassVar[bool] = False
    loses_attempts: ClassVar[bool] = False
    overruns: ClassVar[bool] = False

    do: str
    at: str = Field(default="0s", description="phase+duration, or a duration after sending began")

    @property
    def needs_proxy(self) -> bool:
        return False

    @property
    def needs_sender_proxy(self) -> bool:
        return False

    @property
    def may_lose_attempts(self) -> bool:
        """`loses_attempts`, of this one with what it takes."""
        return self.loses_attempts

    @property
    def may_overrun(self) -> bool:
        """`overruns`, of this one with what it takes."""
        return self.overruns


class _Losing(AnyFault):
    loses_attempts = True


class KillWorker(_Losing):
    """F1: SIGKILL to a worker that has so many attempts in flight, and a new one after ``restart``."""

    do: Literal["kill_worker"] = "kill_worker"
    which: int | None = Field(default=None, ge=0, le=15, description="empty: as the seed says, each time anew")
    in_flight: int = Field(default=1, ge=0, le=1000)
    times: int = Field(default=1, ge=1, le=20)
    restart: Duration = Duration(0)


class StopWorker(AnyFault):
    """F2: SIGTERM to a worker, and a new one after it ended. It has to end with 0, and no attempt may be lost."""

    do: Literal["stop_worker"] = "stop_worker"
    which: int | None = Field(default=None, ge=0, le=15)
    in_flight: int = Field(default=1, ge=0, le=1000)
    times: int = Field(default=1, ge=1, le=20)
    restart: Duration = Duration(0)


class FreezeWorker(AnyFault):
    """F3: SIGSTOP for longer than a lease while another works on, then SIGCONT."""

    overruns = True  # and loses none: each ends, late
    do: Literal["freeze_worker"] = "freeze_worker"
    which: int | None = Field(default=None, ge=0, le=15)
    in_flight: int = Field(default=1, ge=0, le=1000)
    lasts: Duration = Field(default=Duration(2, "L"), validation_alias="for", serialization_alias="for")


class CrashAt(_Losing):
    """F5: at a program point the process of a share of attempts ends, or that of ``poison`` commands each time.

    ``point``: ``received``: before the handler, ``handled``: after it, ``finishing``: the end of the attempt is on its
    way to the server, which has not answered. ``lasts``: how long a share is hit; poison until all of it is parked.
    """

    do: Literal["crash_at"] = "crash_at"
    point: Literal["received", "handled", "finishing"] = "received"
    share: float = Field(default=0, ge=0, le=1)
    poison: int = Field(default=0, ge=0, le=10, description="so many more commands that do it at every attempt")
    how: Literal["exit", "kill", "segfault"] = "exit"
    lasts: Duration = Field(default=Duration(5), validation_alias="for", serialization_alias="for")

    @model_validator(mode="after")
    def _hits_something(self) -> Self:
        if not self.share and not self.poison:
            raise ValueError("crash_at needs a share above 0, or poison")
        if self.poison and self.point == "finishing":
            raise ValueError("crash_at: poison at finishing would end: the server writes what is on its way to it")
        return self


class MalformedMessages(AnyFault):
    """F6: messages that are no command, put into the queue by hand; each is rejected once and shown."""

    do: Literal["malformed_messages"] = "malformed_messages"
    count: int = Field(default=20, ge=1, le=10_000)


class UnregisteredType(AnyFault):
    """F7: commands of a type that no handler performs."""

    do: Literal["unregistered_type"] = "unregistered_type"
    count: int = Field(default=5, ge=1, le=1000)


class EndConnections(_Losing):
    """F8: ``pg_terminate_backend`` for every connection of the workers, again and again."""

    overruns = True  # an end that cannot be written in time
    do: Literal["end_connections"] = "end_connections"
    every: Duration = Duration(0.5)
    lasts: Duration = Field(default=Duration(5), validation_alias="for", serialization_alias="for")


class RestartServer(_Losing):
    """F9: an immediate shutdown of PostgreSQL, as a crash, and its start after ``down``."""

    needs_cluster = True
    overruns = True
    do: Literal["restart_server"] = "restart_server"
    down: Duration = Duration(0)


class ReadOnly(_Losing):
    """F10: the server takes no write for a while."""

    needs_cluster = True
    overruns = True
    do: Literal["read_only"] = "read_only"
    lasts: Duration = Field(default=Duration(4), validation_alias="for", serialization_alias="for")


class Network(_Losing):
    """F11: between workers or sender and server. ``how``: ``delay`` each way; ``reset`` all connections (``count``
    times); ``blackhole``: nothing passes any more and nothing is said; ``lose_answers``: ``count`` statements of a kind
    (``of``: of the workers; sends: of the sender) are committed and their answer does not arrive."""

    overruns = True
    do: Literal["network"] = "network"
    how: Literal["delay", "reset", "blackhole", "lose_answers"]
    whose: Literal["workers", "sender", "both"] = "workers"
    delay: Duration = Duration(20, "ms")
    lasts: Duration = Field(default=Duration(3), validation_alias="for", serialization_alias="for")
    count: int = Field(default=5, ge=1, le=100)
    of: Literal["receive", "finish"] = "finish"

    @property
    def needs_proxy(self) -> bool:
        return self.whose != "sender"

    @property
    def needs_sender_proxy(self) -> bool:
        return self.whose != "workers"

    @property
    def may_lose_attempts(self) -> bool:
        return self._breaks_workers and (self.how != "lose_answers" or self.of == "receive")

    @property
    def may_overrun(self) -> bool:
        """An end that was written and whose answer is lost holds up the next ones, longer each time."""
        return self._breaks_workers and (self.how != "lose_answers" or self.of == "finish")

    @property
    def _breaks_workers(self) -> bool:
        """Whether it is more than a short delay to them, which the shortest lease outlasts."""
        return self.whose != "sender" and (self.how != "delay" or self.delay.seconds(1) > SHORT_DELAY_S)


class FillConnections(_Losing):
    """F12: all connections of the server but ``leave`` are taken by others, and the workers' are ended."""

    needs_cluster = True
    overruns = True
    do: Literal["fill_connections"] = "fill_connections"
    leave: int = Field(default=0, ge=0, le=20)
    lasts: Duration = Field(default=Duration(5), validation_alias="for", serialization_alias="for")


class HoldRow(AnyFault):
    """F13: a row of each of so many commands, waiting or in flight, is locked for a while; only those may be late."""

    overruns = True  # a message that is held cannot be leased anew while the end of its attempt waits to be written
    do: Literal["hold_row"] = "hold_row"
    rows: int = Field(default=3, ge=1, le=1000)
    lasts: Duration = Field(default=Duration(3, "L"), validation_alias="for", serialization_alias="for")
    p99: Duration = Field(default=Duration(1), description="of all others meanwhile, from sent to ended")


class HoldSnapshot(AnyFault):
    """F14: a transaction that keeps old row versions from being removed; the rate has to stay."""

    do: Literal["hold_snapshot"] = "hold_snapshot"
    lasts: Duration = Field(default=Duration(15), validation_alias="for", serialization_alias="for")
    least_share: float = Field(default=0.5, gt=0, le=1, description="of the rate before")


class Readers(AnyFault):
    """F15: so many others that read the whole queue again and again, each time in a snapshot of its own."""

    do: Literal["readers"] = "readers"
    count: int = Field(default=4, ge=1, le=16)
    every: Duration = Field(default=Duration(100, "ms"), description="how long each rests between two reads")
    lasts: Duration = Field(default=Duration(10), validation_alias="for", serialization_alias="for")
    least_share: float = Field(default=0.5, gt=0, le=1)


class DuplicateSends(AnyFault):
    """F16: the same command sent by so many at the same moment: one is told yes, the others DuplicateCommandError."""

    do: Literal["duplicate_sends"] = "duplicate_sends"
    commands: int = Field(default=5, ge=1, le=100)
    senders: int = Field(default=8, ge=2, le=32)


class DuplicateMessages(AnyFault):
    """F17: the message of a command is there twice."""

    do: Literal["duplicate_messages"] = "duplicate_messages"
    count: int = Field(default=10, ge=1, le=1000)


class Operators(AnyFault):
    """F18: so many operators act on the same parked commands at the same moment: exactly one wins each."""

    do: Literal["operators"] = "operators"
    commands: int = Field(default=5, ge=1, le=100)
    operators: int = Field(default=4, ge=2, le=16)


class SenderClock(AnyFault):
    """F19: what a sender believes the time to be is wrong by so much, from here to the end."""

    do: Literal["sender_clock"] = "sender_clock"
    hours: float = Field(default=1, ge=-24, le=24)


class LoseNotifications(AnyFault):
    """F20: the connection by which each worker hears notifications is ended, again and again."""

    do: Literal["lose_notifications"] = "lose_notifications"
    every: Duration = Duration(200, "ms")
    lasts: Duration = Field(default=Duration(5), validation_alias="for", serialization_alias="for")


class BadSettings(AnyFault):
    """F21: workers with settings that cannot work; each has to refuse with one line that says why."""

    do: Literal["bad_settings"] = "bad_settings"


class NoisyNeighbor(AnyFault):
    """F23: another domain on the same server is flooded; the p99 of this one stays within ``most`` times."""

    do: Literal["noisy_neighbor"] = "noisy_neighbor"
    commands: int = Field(default=20_000, ge=100, le=1_000_000)
    most: float = Field(default=3, ge=1, le=100)


class FullDisk(_Losing):
    """F24: the file system of the server is full for a while; it needs a right to mount."""

    needs_cluster = True
    needs_small_disk = True
    overruns = True
    do: Literal["full_disk"] = "full_disk"
    lasts: Duration = Field(default=Duration(4), validation_alias="for", serialization_alias="for")


class UnreadableData(AnyFault):
    """What PostgreSQL stores and Python cannot read, put into messages and rows by a foreign sender."""

    do: Literal["unreadable_data"] = "unreadable_data"
    count: int = Field(default=4, ge=1, le=1000)


class OddText(AnyFault):
    """Handlers that fail with codes and messages that nothing can store or that would forge a log line.

    The workers get handlers of the bench's own (`bench.faults.handlers`), so they may have no others. ``count``: so
    many commands of each way.
    """

    do: Literal["odd_text"] = "odd_text"
    count: int = Field(default=4, ge=1, le=1000)


class FreezeServer(_Losing):
    """Every process of the server stands still for a while (SIGSTOP), then goes on."""

    needs_cluster = True
    overruns = True
    do: Literal["freeze_server"] = "freeze_server"
    lasts: Duration = Field(default=Duration(2), validation_alias="for", serialization_alias="for")


Fault = Annotated[
    KillWorker
    | StopWorker
    | FreezeWorker
    | CrashAt
    | MalformedMessages
    | UnregisteredType
    | EndConnections
    | RestartServer
    | ReadOnly
    | Network
    | FillConnections
    | HoldRow
    | HoldSnapshot
    | Readers
    | DuplicateSends
    | DuplicateMessages
    | Operators
    | SenderClock
    | LoseNotifications
    | BadSettings
    | NoisyNeighbor
    | FullDisk
    | UnreadableData
    | OddText
    | FreezeServer,
    Field(discriminator="do"),
]
