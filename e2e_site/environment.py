"""Environment variables, read by their types: what cannot be meant is an error at start that names the variable."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()

T = TypeVar("T")


def text(name: str, default: str = "") -> str:
    value: str = env.str(name, default=default)
    return value


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}; allowed: {', '.join(allowed)}.")
    return value


def flag(name: str, *, default: bool) -> bool:
    """A yes or a no; anything else is an error, where django-environ would read it as no."""
    words = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
    word = text(name, str(default)).lower()
    if word not in words:
        raise ImproperlyConfigured(f"{name} is {word!r}; allowed: true or false.")
    return words[word]


def whole(name: str, *, default: int, most: int) -> int:
    """A whole number from 0 to ``most``."""
    value = text(name, str(default))
    if value.isascii() and value.isdecimal() and len(value) < 20 and int(value) <= most:
        return int(value)
    raise ImproperlyConfigured(f"{name} is {value!r}; allowed: a whole number from 0 to {most:,}.")


def items(name: str, default: list[T], item: Callable[[str], T]) -> list[T]:
    """Items between commas, each as ``item`` takes it; the default where there is nothing at all."""
    value = text(name)
    try:
        return [item(part) for part in value.split(",")] if value.strip() else default
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name}: {exc}.") from None


def database_at(variable: str, url: str) -> dict[str, Any]:
    """Django's words for the address in this environment variable."""
    try:
        with warnings.catch_warnings():  # a warning here would only come before the error below
            warnings.simplefilter("ignore")
            config: dict[str, Any] = environ.Env.db_url_config(url)
    except Exception as exc:
        raise ImproperlyConfigured(
            f"{variable} cannot be read; expected postgres://user:password@host:port/name."
        ) from exc
    if config.get("ENGINE") != "django.db.backends.postgresql" or not config.get("NAME"):
        raise ImproperlyConfigured(
            f"{variable} must name a PostgreSQL database: postgres://user:password@host:port/name."
        )
    return {**config, "ENGINE": "e2e_site.backend"}
