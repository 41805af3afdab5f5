"""JSON columns that bear what others stored and check what is written, and the form field for typing them."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.forms.fields import InvalidJSONInput
from psycopg.types.json import Jsonb

from commands.rules.behaviors import Behavior, BehaviorError
from commands.rules.payload import PayloadError, exact_json, parse_json, payload_text
from e2e_site.stored_json import read

# The validators' codes are their own: for the code "invalid" Django puts the field's message in place of theirs.


def validate_behavior(value: object) -> None:
    """Validator: a JSON object that `Behavior.from_json` takes."""
    try:
        Behavior.from_json(value)
    except BehaviorError as exc:
        raise ValidationError(exc.message, code="behavior") from exc


def validate_payload(value: object) -> None:
    """Validator: a JSON object of bounded size that PostgreSQL can store."""
    try:
        payload_text(value)
    except PayloadError as exc:
        raise ValidationError(str(exc), code="payload") from exc


class JSONFormField(forms.JSONField):
    """Typed JSON: a text is either a value or a ValidationError, and is shown again as it was typed.

    An initial value that is a `typed` text is shown as it stands.

    Left empty, it is {} where it is not required.
    """

    empty_values: list[Any] = [None, ""]  # {} and [] are values like others

    def to_python(self, value: Any) -> Any:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None if self.required else {}
        if not isinstance(value, str):
            return super().to_python(value)
        try:
            return parse_json(value)
        except PayloadError as exc:
            raise ValidationError(str(exc), code="invalid") from exc

    def bound_data(self, data: Any, initial: Any) -> Any:
        return None if data is None else InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, InvalidJSONInput) else json.dumps(value, ensure_ascii=False, indent=2)


def typed(text: str) -> InvalidJSONInput:
    """A text for a `JSONFormField` to show: every digit stays."""
    return InvalidJSONInput(text)


class StoredJSONField(models.JSONField):
    """A JSON column; what Python cannot read of it is its `StoredText`."""

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        return read(value) if isinstance(value, str) else value


class CheckedJSONField(StoredJSONField):
    """A JSON column whose validators run at every write (save, bulk_create, update), not only where a form cleans.

    Numbers are written with every digit that was typed.
    """

    empty_values: list[Any] = []  # {} and [] are values like others: validators see them

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if not hasattr(value, "as_sql"):
            for validator in self.validators:
                validator(value)
        return super().get_db_prep_save(value, connection)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        return Jsonb(value, dumps=exact_json)

    def formfield(self, **kwargs: Any) -> Any:
        # Compared with the row, not with what the page showed: both are the same unless another user changed it.
        return super().formfield(**{"form_class": JSONFormField, "show_hidden_initial": False, **kwargs})
