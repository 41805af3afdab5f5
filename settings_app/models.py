"""The one row of settings, ``public.e2e_config``, and the workers that run with it. Flyway owns both tables;
`settings_app.values` says what each setting may be."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, NoReturn, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from e2e_site.read_only import ReadOnlyModel, ReadOnlyQuerySet
from settings_app.values import LISTS, NAMES, SETTINGS, SWITCHES, Value, delay_conflict


class SettingsConflictError(Exception):
    """The settings were changed since they were read; ``current`` is how they are now."""

    def __init__(self, current: "Configuration") -> None:
        super().__init__(f"The settings are at version {current.version} by now.")
        self.current = current


def _options(name: str) -> dict[str, Any]:
    setting = SETTINGS[name]
    return {
        "verbose_name": setting.label,
        "default": setting.default if setting.places else int(setting.default),
        "help_text": setting.help_text,
        "validators": [MinValueValidator(setting.minimum), MaxValueValidator(setting.maximum)],
    }


def _switch_options(name: str) -> dict[str, Any]:
    switch = SWITCHES[name]
    return {"verbose_name": switch.label, "default": False, "help_text": switch.help_text}


def _validate_list(name: str) -> Callable[[str], None]:
    def validate(text: str) -> None:
        try:
            LISTS[name].names(text)
        except ValueError as exc:
            raise ValidationError(str(exc), code="names") from exc

    return validate


def _list_options(name: str) -> dict[str, Any]:
    names = LISTS[name]
    return {
        "verbose_name": names.label,
        "default": "",
        "blank": True,
        "help_text": names.help_text,
        "validators": [_validate_list(name)],
    }


class ConfigurationQuerySet(models.QuerySet["Configuration"]):
    def delete(self) -> NoReturn:
        raise TypeError("The settings have exactly one row, which stays.")


class Configuration(models.Model):
    """What workers run with. `load` reads, `change` writes; the database keeps ``version`` and ``updated_at``."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    visibility_timeout = models.IntegerField(**_options("visibility_timeout"))
    concurrency = models.IntegerField(**_options("concurrency"))
    poll_interval = models.DecimalField(max_digits=5, decimal_places=2, **_options("poll_interval"))
    batch_size = models.IntegerField(**_options("batch_size"))
    max_attempts = models.IntegerField(**_options("max_attempts"))
    base_delay_ms = models.IntegerField(**_options("base_delay_ms"))
    max_delay_ms = models.IntegerField(**_options("max_delay_ms"))
    backoff_multiplier = models.DecimalField(max_digits=4, decimal_places=2, **_options("backoff_multiplier"))
    heartbeat = models.BooleanField(**_switch_options("heartbeat"))
    paused = models.BooleanField(**_switch_options("paused"))
    redacted_keys = models.TextField(**_list_options("redacted_keys"))
    version = models.BigIntegerField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    updated_by = models.TextField(blank=True, editable=False)

    objects = ConfigurationQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "e2e_config"
        verbose_name = "settings"
        verbose_name_plural = "settings"
        default_permissions = ("change", "view")

    def __str__(self) -> str:
        return "Settings of the workers"

    def save(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Settings are written by Configuration.change().")

    def clean(self) -> None:
        problem = delay_conflict(base_delay_ms=self.base_delay_ms, max_delay_ms=self.max_delay_ms)
        if problem:
            raise ValidationError({"max_delay_ms": problem})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("The settings have exactly one row, which stays.")

    def values(self) -> dict[str, Value]:
        """The settings by name."""
        return {name: getattr(self, name) for name in NAMES}

    @classmethod
    def load(cls) -> "Configuration":
        return cls.objects.get(pk=1)

    @staticmethod
    def defaults() -> dict[str, Value]:
        numbers = {
            name: setting.default if setting.places else int(setting.default) for name, setting in SETTINGS.items()
        }
        return numbers | dict.fromkeys(SWITCHES, False) | dict.fromkeys(LISTS, "")

    @classmethod
    def change(cls, values: Mapping[str, Value], *, version: int, by: str) -> "Configuration":
        """Write ``values`` over version ``version`` of the row, and return the row as it is then.

        Raises `SettingsConflictError` where the row has another version by now, ValidationError for values that the
        CHECKs would refuse. Workers are notified when the transaction commits.
        """
        config = cls.load()
        for name, value in values.items():
            setattr(config, name, value)
        config.full_clean()
        if not cls.objects.filter(pk=1, version=version).update(**values, updated_by=by):
            raise SettingsConflictError(cls.load())
        return cls.load()


class WorkerQuerySet(ReadOnlyQuerySet["Worker"]):
    def live(self) -> Self:
        """Those that have not stopped and gave a sign of life within `Worker.SILENCE`, by the server's clock."""
        return self.filter(stopped_at=None, beat_at__gte=Now() - Worker.SILENCE).order_by("started_at", "worker_id")


class Worker(ReadOnlyModel):
    """One run of one worker process and its last sign of life."""

    written_by = "`manage.py runworker` writes its own row."

    SILENCE: ClassVar[timedelta] = timedelta(seconds=10)  # five missed beats

    worker_id = models.UUIDField(primary_key=True)
    host = models.TextField()
    pid = models.IntegerField()
    engine = models.TextField()
    queue_name = models.TextField()
    polling = models.BooleanField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True)
    settings_version = models.BigIntegerField()
    overrides = models.JSONField()
    concurrency = models.IntegerField()
    in_flight = models.IntegerField()
    received = models.BigIntegerField()
    completed = models.BigIntegerField()
    retried = models.BigIntegerField()
    parked = models.BigIntegerField()
    failed = models.BigIntegerField()
    late = models.BigIntegerField()
    kept = models.JSONField()

    objects = WorkerQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "e2e_worker"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"Worker {self.pid} on {self.host}"
