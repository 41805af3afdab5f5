"""Unmanaged models over the tables of load tests, runs and checks: what pages read. Their makers write them in SQL."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, NoReturn, Self

from django.db import models
from django.db.models import BooleanField, Case, F, IntegerField, Max, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from e2e_site.read_only import ReadOnlyError, ReadOnlyModel, ReadOnlyQuerySet

_WRITTEN_BY = "`manage.py loadtest` writes its own run and samples."


def _silent(silence: timedelta) -> Case:
    """Whether a run says that it goes on, and has given no sign of life for so long."""
    return Case(
        When(state="running", beat_at__lt=Now() - silence, then=Value(True)),
        default=False,
        output_field=BooleanField(),
    )


class LoadRunQuerySet(ReadOnlyQuerySet["LoadRun"]):
    def newest_first(self) -> Self:
        return self.order_by("-run_id")

    def older_than(self, run_id: int) -> Self:
        return self.filter(run_id__lt=run_id)

    def with_silence(self) -> Self:
        """With ``silent``: it says that it runs, and has given no sign of life for `LoadRun.SILENCE`; and the clock."""
        return self.annotate(silent=_silent(LoadRun.SILENCE), now=Now())

    def for_list(self) -> Self:
        """With ``silent`` and the two figures of the list, without the rest of the summary."""
        return (
            self.with_silence()
            .defer("summary")
            .annotate(per_s=F("summary__rates__processing_per_s"), p99_ms=F("summary__latency_ms__end_to_end__p99"))
        )


class LoadRun(models.Model):
    """One run of a load test. Its row may be deleted; its samples go with it."""

    written_by = _WRITTEN_BY

    SILENCE: ClassVar[timedelta] = timedelta(seconds=20)  # a beat comes every 2 s

    # Of those that `with_silence` found:
    silent: bool
    now: datetime  # the database's clock

    run_id = models.BigAutoField(primary_key=True)
    state = models.TextField()
    phase = models.TextField()
    host = models.TextField()
    pid = models.IntegerField()
    options = models.JSONField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    sending_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    commands = models.BigIntegerField()
    sent = models.BigIntegerField()
    received = models.BigIntegerField()
    completed = models.BigIntegerField()
    failed = models.BigIntegerField()
    parked = models.BigIntegerField()
    as_expected = models.BooleanField(null=True)
    verdict = models.TextField()
    summary = models.JSONField(null=True)

    objects = LoadRunQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "load_run"
        verbose_name = "load test"
        default_permissions = ("view", "delete")

    def __str__(self) -> str:
        return f"Load test {self.run_id}"

    def save(self, **kwargs: Any) -> NoReturn:
        raise ReadOnlyError(f"LoadRun is read-only here: {self.written_by}")

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.parked

    @property
    def queued(self) -> int:
        return max(0, self.sent - self.ended)


class LoadSampleQuerySet(ReadOnlyQuerySet["LoadSample"]):
    def points(self, run_id: int, most: int) -> list[dict[str, Any]]:
        """Samples of a run in their order, at most so many: where there are more, the highest of each few.

        Counts only grow, so their highest is the last; of percentiles it is the worst.
        """
        samples = self.filter(run_id=run_id)
        number = samples.aggregate(last=Max("number"))["last"] or 0
        together = -(-number // most) or 1
        highest = {name: Max(name) for name in LoadSample.FIGURES}
        places = samples.annotate(place=(F("number") - 1) / Value(together)).values("place")
        return [dict(point) for point in places.annotate(**highest).order_by("place")]


class LoadSample(ReadOnlyModel):
    """What a run saw at one moment."""

    written_by = _WRITTEN_BY

    FIGURES: ClassVar[tuple[str, ...]] = (
        *("at_s", "sent", "received", "ended", "waiting", "in_progress"),
        *("p50_ms", "p95_ms", "p99_ms"),
    )

    pk = models.CompositePrimaryKey("run_id", "number")
    run = models.ForeignKey(LoadRun, on_delete=models.DO_NOTHING)  # the database deletes them with their run
    number = models.IntegerField()
    at_s = models.FloatField()
    sent = models.BigIntegerField()
    received = models.BigIntegerField()
    ended = models.BigIntegerField()
    waiting = models.BigIntegerField()
    in_progress = models.BigIntegerField()
    p50_ms = models.FloatField(null=True)
    p95_ms = models.FloatField(null=True)
    p99_ms = models.FloatField(null=True)

    objects = LoadSampleQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "load_sample"
        default_permissions = ()

    def __str__(self) -> str:
        return f"Sample {self.number} of {self.run_id}"


class BenchRunQuerySet(ReadOnlyQuerySet["BenchRun"]):
    def newest_first(self) -> Self:
        return self.order_by("-run_id")

    def older_than(self, run_id: int) -> Self:
        return self.filter(run_id__lt=run_id)

    def shown(self) -> Self:
        """With ``silent``: it says that it runs, and has given no sign of life for `BenchRun.SILENCE`; the clock; and
        how many are ``ahead`` of one that waits."""
        ahead = RawSQL(  # our own constant
            "SELECT count(*) FROM bench_run b"
            " WHERE b.state = 'running' OR (b.state = 'waiting' AND b.run_id < bench_run.run_id)",
            [],
            output_field=IntegerField(),
        )
        return self.annotate(
            silent=_silent(BenchRun.SILENCE), now=Now(), ahead=Case(When(state="waiting", then=ahead), default=0)
        )

    def for_list(self) -> Self:
        """The same without what only the page of one run shows."""
        return self.shown().defer("document", "source")

    def like(self, run: "BenchRun", most: int) -> Self:
        """The newest runs of the same scenario with the same seed that came to a verdict, this one among them."""
        same = self.filter(scenario=run.scenario, seed=run.seed, source=run.source, state="ended")
        return same.newest_first()[:most]


class BenchRun(ReadOnlyModel):
    """One run of a scenario, from being asked for to its document."""

    written_by = "`manage.py bench` writes its own runs."

    SILENCE: ClassVar[timedelta] = timedelta(seconds=20)  # a beat comes every second
    KEPT: ClassVar[int] = 500  # the newest

    # Of those that `shown` found:
    silent: bool
    now: datetime  # the database's clock
    ahead: int

    run_id = models.BigAutoField(primary_key=True)
    state = models.TextField()
    scenario = models.TextField()
    engines = models.TextField()
    seed = models.BigIntegerField()
    source = models.JSONField()
    asked_by = models.TextField()
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    beat_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    host = models.TextField()
    pid = models.IntegerField(null=True)
    phase = models.TextField()
    done = models.BigIntegerField()
    total = models.BigIntegerField()
    canceled_by = models.TextField()
    verdict = models.TextField(null=True)  # noqa: DJ001  # the column says so: none is not empty
    as_asked = models.BooleanField(null=True)
    why = models.TextField()
    document = models.JSONField(null=True)

    objects = BenchRunQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "bench_run"
        verbose_name = "run of the bench"
        verbose_name_plural = "runs of the bench"
        default_permissions = ("view", "add")

    def __str__(self) -> str:
        return f"Run {self.run_id}"

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "running")

    @property
    def took_ms(self) -> float | None:
        """From its beginning to its end, or to now in whole seconds; None before its beginning."""
        if self.started_at is None:
            return None
        took = max(timedelta(0), (self.ended_at or self.now) - self.started_at)
        return took / timedelta(milliseconds=1) if self.ended_at else 1000 * (took // timedelta(seconds=1))


class BenchCheckQuerySet(ReadOnlyQuerySet["BenchCheck"]):
    def with_clock(self) -> Self:
        """With ``now``, the database's clock."""
        return self.annotate(now=Now())

    def newest(self, domain: str) -> "BenchCheck | None":
        """The last check of a domain, by its index, with ``now``."""
        return self.filter(domain=domain).with_clock().order_by("-check_id").first()


class BenchCheck(ReadOnlyModel):
    """A check of the invariants on the site's own commands (`bench.invariants.site`)."""

    written_by = "`bench.invariants.site.make_check` writes its own row."

    # Of one that `newest` found:
    now: datetime  # the database's clock

    check_id = models.BigAutoField(primary_key=True)
    domain = models.TextField()
    at = models.DateTimeField()
    verdict = models.TextField()
    why = models.TextField()
    commands = models.BigIntegerField()
    seconds = models.FloatField()
    rules = models.JSONField()

    objects = BenchCheckQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "bench_check"
        verbose_name = "check of the invariants"
        default_permissions = ("add", "view")

    def __str__(self) -> str:
        return f"Check {self.check_id} of {self.domain}"
