"""settings_app/values.py: what each setting may be."""

from argparse import ArgumentTypeError
from decimal import Decimal

import pytest

from settings_app.values import SETTINGS, Setting, WorkerSettings, delay_conflict, lease_warning


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_a_setting_takes_its_default_and_both_ends_of_its_range(setting: Setting) -> None:
    for value in (setting.default, setting.minimum, setting.maximum):
        assert setting.option(str(value)) == float(value)
        assert isinstance(setting.option(str(value)), float if setting.places else int)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_a_setting_refuses_what_is_out_of_range_or_no_number_and_says_what_is_allowed(setting: Setting) -> None:
    step = Decimal(1).scaleb(-setting.places)
    finer = setting.minimum + step / 10
    for text in (str(setting.minimum - step), str(setting.maximum + step), str(finer), "", "ten", "nan", "inf", "1e99"):
        with pytest.raises(
            ArgumentTypeError, match=rf"^must be .* from {setting.range_text} \({setting.unit}\), not '{text}'\.$"
        ):
            setting.option(text)


def test_the_help_of_a_setting_holds_unit_range_default_and_what_it_does() -> None:
    assert SETTINGS["base_delay_ms"].help_text == (
        "Milliseconds, 0 to 3,600,000; default 1,000. How long the first retry waits."
    )
    assert SETTINGS["poll_interval"].help_text.startswith("Seconds, 0.05 to 60; default 1. ")


def test_settings_are_read_from_a_row_by_name_and_decimals_become_floats() -> None:
    row = {
        "id": 1,
        "updated_by": "ada",
        "version": 7,
        "backoff_multiplier": Decimal("1.50"),
        "max_delay_ms": 60_000,
        "base_delay_ms": 1000,
        "max_attempts": 3,
        "batch_size": 10,
        "poll_interval": Decimal("0.25"),
        "concurrency": 4,
        "visibility_timeout": 30,
        "heartbeat": False,
        "paused": True,
    }
    settings = WorkerSettings.from_row(row)
    assert settings == WorkerSettings(
        visibility_timeout=30,
        concurrency=4,
        poll_interval=0.25,
        batch_size=10,
        max_attempts=3,
        base_delay_ms=1000,
        max_delay_ms=60_000,
        backoff_multiplier=1.5,
        heartbeat=False,
        paused=True,
        version=7,
    )
    assert isinstance(settings.poll_interval, float)
    assert isinstance(settings.backoff_multiplier, float)


def test_the_max_delay_must_not_be_below_the_base_delay() -> None:
    assert delay_conflict(base_delay_ms=1000, max_delay_ms=1000) is None
    assert delay_conflict(base_delay_ms=1000, max_delay_ms=999) == (
        "The max delay (999 ms) must not be below the base delay (1,000 ms)."
    )


def test_a_lease_shorter_than_the_poll_interval_is_warned_of() -> None:
    assert lease_warning(visibility_timeout=1, poll_interval=Decimal("1.00")) is None
    warning = lease_warning(visibility_timeout=5, poll_interval=Decimal("7.50"))
    assert warning is not None
    assert "lease (5 s)" in warning
    assert "poll interval (7.5 s)" in warning
