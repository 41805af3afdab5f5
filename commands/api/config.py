"""The settings of the workers, with their version: read, and changed by who knows the newest version."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, cast

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.params.functions import Header
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from commands.api.asked import Text, a_number
from commands.api.auth import READING, changing
from commands.api.problems import ProblemError, invalid_form
from commands.api.schemas import ProblemDetails
from commands.api.values import Whole
from settings_app import current, pause
from settings_app.forms import ConfigurationForm
from settings_app.models import Configuration, SettingsConflictError
from settings_app.values import LISTS, NAMES, SETTINGS, SWITCHES, Value, lease_warning
from settings_app.writing import write

router = Router()

_Decimal = Annotated[Any, BeforeValidator(a_number)]
_Switch = Annotated[bool, Field(strict=True)]


def _told(name: str) -> Any:
    """A number whose bounds the document tells, and the form keeps."""
    setting = SETTINGS[name]
    kind = {"type": "number" if setting.places else "integer", "description": setting.help_text}
    bounds: dict[str, Any] = {
        "minimum": float(setting.minimum),
        "maximum": float(setting.maximum),
        "examples": [float(setting.default)],
    }
    if not setting.places:
        bounds = {"minimum": int(setting.minimum), "maximum": int(setting.maximum), "examples": [int(setting.default)]}
    else:
        bounds["multipleOf"] = 10.0**-setting.places
    return WithJsonSchema({**kind, **bounds})


class ConfigOut(BaseModel):
    """Every setting, and which version of them this is."""

    visibility_timeout: int = Field(description=SETTINGS["visibility_timeout"].help_text)
    concurrency: int = Field(description=SETTINGS["concurrency"].help_text)
    poll_interval: float = Field(description=SETTINGS["poll_interval"].help_text)
    batch_size: int = Field(description=SETTINGS["batch_size"].help_text)
    max_attempts: int = Field(description=SETTINGS["max_attempts"].help_text)
    base_delay_ms: int = Field(description=SETTINGS["base_delay_ms"].help_text)
    max_delay_ms: int = Field(description=SETTINGS["max_delay_ms"].help_text)
    backoff_multiplier: float = Field(description=SETTINGS["backoff_multiplier"].help_text)
    heartbeat: bool = Field(description=SWITCHES["heartbeat"].help_text)
    paused: bool = Field(description=SWITCHES["paused"].help_text)
    redacted_keys: str = Field(description=LISTS["redacted_keys"].help_text, examples=["iban, password"])
    version: int = Field(description="The ETag, too.")
    updated_at: datetime
    updated_by: str = Field(description="Empty for settings that nobody changed.")
    warning: str = Field(description="What is worth knowing about these values together; empty for nothing.")


class ConfigIn(BaseModel):
    """Settings to be changed; one that is left out stays as it is. What was read may be sent back whole."""

    model_config = ConfigDict(extra="forbid")

    visibility_timeout: Annotated[Whole, _told("visibility_timeout")] | None = None
    concurrency: Annotated[Whole, _told("concurrency")] | None = None
    poll_interval: Annotated[_Decimal, _told("poll_interval")] = None
    batch_size: Annotated[Whole, _told("batch_size")] | None = None
    max_attempts: Annotated[Whole, _told("max_attempts")] | None = None
    base_delay_ms: Annotated[Whole, _told("base_delay_ms")] | None = None
    max_delay_ms: Annotated[Whole, _told("max_delay_ms")] | None = None
    backoff_multiplier: Annotated[_Decimal, _told("backoff_multiplier")] = None
    heartbeat: _Switch | None = None
    paused: _Switch | None = None
    redacted_keys: Text | None = Field(None, json_schema_extra={"maxLength": LISTS["redacted_keys"].most_characters})
    version: Whole | None = Field(None, description="What was read, where no If-Match says so.")
    updated_at: Any = Field(None, description="Not looked at.")
    updated_by: Any = Field(None, description="Not looked at.")
    warning: Any = Field(None, description="Not looked at.")


@router.get("", auth=READING, operation_id="get_config", summary="The settings", response=ConfigOut)
def read(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    return _out(response, Configuration.load())


@router.put(
    "",
    auth=changing("settings_app.change_configuration", "change the settings"),
    operation_id="change_config",
    summary="Change settings",
    response={200: ConfigOut, 412: ProblemDetails, 428: ProblemDetails},
)
def change(
    request: HttpRequest,
    response: HttpResponse,
    body: ConfigIn,
    if_match: str | None = Header(None, alias="If-Match", description='Such as "7".'),
) -> dict[str, Any]:
    """Needs the version that was read: its ETag in `If-Match`, or `version`. Workers take the settings within 2 s."""
    if if_match is None and body.version is None:
        raise ProblemError(428, "Say which version you read: its ETag in If-Match, or version in the body.")
    try:
        config = _changed(request, body, if_match)
    except SettingsConflictError as exc:
        raise _not_newest(exc.current) from exc
    pause.forget()
    current.forget()
    return _out(response, config)


def _changed(request: HttpRequest, body: ConfigIn, if_match: str | None) -> Configuration:
    with transaction.atomic():
        # Held until the end: the version that is compared is the version that is overwritten.
        config = Configuration.objects.select_for_update().get(pk=1)
        version = config.version
        form = ConfigurationForm(_data(body, config), instance=config)
        if not form.is_valid():
            raise invalid_form(form)
        tags = {tag.strip().removeprefix("W/").strip('"') for tag in (if_match or "*").split(",")}
        if not tags & {"*", str(version)} or body.version not in (None, version):
            raise _not_newest(config)
        if changes := form.changes():
            write(changes, version=version, user=cast("User", request.user))  # only users have permissions
    return Configuration.load()


def _data(body: ConfigIn, config: Configuration) -> dict[str, str]:
    """As a browser would send the form."""
    given = {name: getattr(body, name) for name in NAMES}
    values = {name: now if given[name] is None else given[name] for name, now in config.values().items()}
    return {**{name: _text(value) for name, value in values.items()}, "seen_version": str(config.version)}


def _text(value: Value | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _not_newest(config: Configuration) -> ProblemError:
    who = config.updated_by or "The set-up"
    return ProblemError(
        412,
        f"Nothing was changed: the settings are at version {config.version} by now. {who} changed them at "
        f"{config.updated_at:%H:%M:%S} UTC. Read them again.",
        headers={"ETag": _tag(config)},
    )


def _tag(config: Configuration) -> str:
    return f'"{config.version}"'


def _out(response: HttpResponse, config: Configuration) -> dict[str, Any]:
    response["ETag"] = _tag(config)
    warning = lease_warning(visibility_timeout=config.visibility_timeout, poll_interval=config.poll_interval)
    return {
        **config.values(),
        "version": config.version,
        "updated_at": config.updated_at,
        "updated_by": config.updated_by,
        "warning": warning or "",
    }
