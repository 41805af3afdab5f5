"""The address of a database, ``postgres://user:password@host:port/name``, in Django's words."""

import warnings
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


def database_at(url: str, *, given_as: str) -> dict[str, Any]:
    """An entry of ``DATABASES``. Raises `ImproperlyConfigured`, which says ``given_as`` and never the address."""
    try:
        with warnings.catch_warnings():  # a warning here would only come before the error below
            warnings.simplefilter("ignore")
            config: dict[str, Any] = environ.Env.db_url_config(url)
    except Exception as exc:
        raise ImproperlyConfigured(
            f"{given_as} cannot be read; expected postgres://user:password@host:port/name."
        ) from exc
    if config.get("ENGINE") != "django.db.backends.postgresql" or not config.get("NAME"):
        raise ImproperlyConfigured(
            f"{given_as} must name a PostgreSQL database: postgres://user:password@host:port/name."
        )
    return with_options(config)


def with_options(config: dict[str, Any]) -> dict[str, Any]:
    """The entry with how this site connects."""
    return {
        **config,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # A cursor that outlives its transaction is lost behind a pooler in transaction mode.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {"connect_timeout": 5, **config.get("OPTIONS", {})},
    }
